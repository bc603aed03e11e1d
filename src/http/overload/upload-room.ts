import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { networkOf } from "../../model/address.ts";
import { bodyMax, uploadBodyMax } from "../../model/body-limits.ts";
import type { BodyRoom, Call, CountedBody } from "../../model/call.ts";
import { type DomainError, invalidField } from "../../model/errors.ts";
import { imageTooLarge } from "../../model/image.ts";
import { uploadsFull } from "../../model/overload.ts";
import { cutAnswer, onceAnswered } from "../server/http-messages.ts";

/** Commas, brackets and braces in JSON. Each may become an object, which takes fifty times its bytes and as long to make. */
const signsMax = 1000;
const signs = [",", "[", "{"].map((sign) => sign.charCodeAt(0));

const manifold = invalidField(
  "data",
  `must be all but alone: at most ${signsMax} commas, brackets and braces in the JSON`,
);
/** The signs of compressed JSON could be counted only once it is in memory whole. */
const compressedJson = invalidField(
  "data",
  "must come uncompressed as JSON: leave out content-encoding, or send application/proto",
);
/** Its picture is larger than any may be, even as base64. */
const tooLarge = imageTooLarge();

/** Of the room that one address may hold by several bodies when others find none. */
const share = 1 / 4;

interface Holder {
  readonly network: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  held: number;
}

/**
 * The memory for large bodies. Each body holds room for the length that it announces, or for what has come of it. One that
 * is compressed holds room for the largest that is allowed, which it may become.
 */
export class UploadRoom {
  readonly #max: number;
  readonly #refuse: (refusal: DomainError) => never;
  /** Those that hold room, in the order in which they came to it. */
  readonly #holders = new Set<Holder>();
  #taken = 0;

  constructor(max: number, refuse: (refusal: DomainError) => never) {
    this.#max = max;
    this.#refuse = refuse;
  }

  roomFor({ address }: Call, request: IncomingMessage & CountedBody, response: ServerResponse): BodyRoom {
    const holder: Holder = { network: networkOf(address), request, response, held: 0 };
    let came = 0;
    let work: Promise<unknown> = Promise.resolve();
    const release = () => this.#release(holder);
    const hold = (bytes: number) => {
      if (bytes > uploadBodyMax) this.#refuse(tooLarge);
      if (bytes > Math.max(bodyMax, holder.held)) this.#grow(holder, bytes);
    };

    const { headers } = request;
    const check = isJson(headers) ? uploadJsonCheck(this.#refuse) : undefined;
    request.onPiece = (piece) => {
      if (came === 0 && announcedIn(piece, headers) > uploadBodyMax) this.#refuse(tooLarge);
      came += piece.length;
      hold(came);
      check?.(piece);
    };
    onceAnswered(response, () => void work.then(release, release));
    return {
      take: () => {
        if (!isCompressed(headers)) return hold(Number(headers["content-length"] ?? 0));
        if (check !== undefined) this.#refuse(compressedJson);
        hold(uploadBodyMax);
      },
      keepFor(all) {
        work = all;
      },
    };
  }

  #release(holder: Holder): void {
    if (this.#holders.delete(holder)) this.#taken -= holder.held;
    // A caller may have left before they were admitted: nothing may be held after this.
    holder.held = Number.POSITIVE_INFINITY;
  }

  /** A body that is alone gets its room, however large it is. */
  #grow(holder: Holder, to: number): void {
    const excess = () => {
      const others = this.#taken - holder.held;
      return others === 0 ? 0 : others + to - this.#max;
    };
    if (excess() > 0) for (const other of this.#givingWay(holder, excess())) this.#cut(other);
    if (excess() > 0) this.#refuse(uploadsFull);
    this.#taken += to - holder.held;
    holder.held = to;
    this.#holders.add(holder);
  }

  /**
   * The newest bodies of another address that holds more than its share by several, so that one caller with a few slow bodies
   * shuts nobody out. None where they would not be enough.
   */
  #givingWay({ network }: Holder, excess: number): readonly Holder[] {
    const shares = Map.groupBy(this.#holders, (each) => each.network);
    shares.delete(network);
    const sizes = [...shares.values()].map((holders) => ({ holders, held: heldBy(holders) }));
    const largest = sizes.toSorted((a, b) => b.held - a.held)[0];
    if (largest === undefined || largest.holders.length < 2) return [];
    const way: Holder[] = [];
    let left = largest.held;
    for (const each of largest.holders.toReversed()) {
      if (left <= share * this.#max || heldBy(way) >= excess) break;
      if (each.request.complete) continue;
      way.push(each);
      left -= each.held;
    }
    return heldBy(way) >= excess ? way : [];
  }

  #cut(holder: Holder): void {
    this.#release(holder);
    cutAnswer(holder.response);
  }
}

function heldBy(holders: readonly Holder[]): number {
  return holders.reduce((sum, { held }) => sum + held, 0);
}

/** The length of gRPC's message, if this is the body's beginning: it stands behind a byte of flags. */
function announcedIn(piece: Buffer, headers: IncomingHttpHeaders): number {
  const isGrpc = headers["content-type"]?.startsWith("application/grpc") === true;
  return isGrpc && piece.length >= 5 ? piece.readUInt32BE(1) : 0;
}

function isJson(headers: IncomingHttpHeaders): boolean {
  return headers["content-type"]?.toLowerCase().includes("json") === true;
}

function isCompressed(headers: IncomingHttpHeaders): boolean {
  // Which of the two headers counts depends on the protocol.
  return [headers["content-encoding"], headers["grpc-encoding"]].some((name = "identity") => name !== "identity");
}

/** Checks an upload's JSON piece by piece before it is parsed: it is refused unless one text makes up nearly all of it. */
function uploadJsonCheck(refuse: (refusal: DomainError) => never): (piece: Buffer) => void {
  let count = 0;
  return (piece) => {
    for (const sign of signs)
      for (let at = piece.indexOf(sign); at !== -1; at = piece.indexOf(sign, at + 1))
        if (++count > signsMax) refuse(manifold);
  };
}
