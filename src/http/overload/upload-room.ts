import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { bodyMax, uploadBodyMax } from "../../model/body-limits.ts";
import type { BodyRoom, CountedBody } from "../../model/call.ts";
import { type DomainError, invalidField } from "../../model/errors.ts";
import { uploadsFull } from "../../model/overload.ts";
import { onceAnswered } from "../server/http-messages.ts";

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

/**
 * The memory for large bodies. Each body holds room for the length that it announces, or for what has come of it. One that
 * is compressed holds room for the largest that is allowed, which it may become.
 */
export class UploadRoom {
  readonly #max: number;
  readonly #refuse: (refusal: DomainError) => never;
  #taken = 0;

  constructor(max: number, refuse: (refusal: DomainError) => never) {
    this.#max = max;
    this.#refuse = refuse;
  }

  roomFor(request: IncomingMessage & CountedBody, response: ServerResponse): BodyRoom {
    let held = 0;
    let came = 0;
    let work: Promise<unknown> = Promise.resolve();
    const release = () => {
      this.#taken -= held;
      // A caller may have left before they were admitted: nothing may be held after this.
      held = Number.POSITIVE_INFINITY;
    };
    const hold = (bytes: number) => {
      if (bytes <= Math.max(bodyMax, held)) return;
      this.#grow(held, bytes);
      held = bytes;
    };

    const { headers } = request;
    const check = isJson(headers) ? uploadJsonCheck(this.#refuse) : undefined;
    request.onPiece = (piece) => {
      came += piece.length;
      hold(came);
      check?.(piece);
    };
    onceAnswered(response, () => void work.then(release, release));
    return {
      take: () => {
        if (!isCompressed(headers)) return hold(Math.min(Number(headers["content-length"] ?? 0), uploadBodyMax));
        if (check !== undefined) this.#refuse(compressedJson);
        hold(uploadBodyMax);
      },
      keepFor(all) {
        work = all;
      },
    };
  }

  /** A body that is alone gets its room, however large it is. */
  #grow(from: number, to: number): void {
    const others = this.#taken - from;
    if (others > 0 && others + to > this.#max) this.#refuse(uploadsFull);
    this.#taken = others + to;
  }
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
