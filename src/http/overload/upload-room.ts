import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { bodyMax, uploadBodyMax } from "../../model/body-limits.ts";
import type { BodyRoom, CountedBody } from "../../model/call.ts";
import { type DomainError, invalidField } from "../../model/errors.ts";
import { uploadsFull } from "../../model/overload.ts";
import { onceAnswered } from "../server/http-messages.ts";

/** Of commas, brackets and braces. Each may become an object, which takes fifty times its bytes and as long to make. */
const signsMax = 1000;
const signs = [",", "[", "{"].map((sign) => sign.charCodeAt(0));

const manifold = invalidField(
  "data",
  `must be all but alone: at most ${signsMax} commas, brackets and braces in the JSON`,
);
/** What is compressed shows its signs only when it is in memory whole. */
const compressedJson = invalidField(
  "data",
  "must come uncompressed as JSON: leave out content-encoding, or send application/proto",
);

/**
 * The memory for large bodies, of which each has room: for as much as it says that it is, or as has come of it. One that
 * is compressed may become the largest that there is.
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
      // A caller may have left before it was known to be one: nothing is held any more.
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

  /** One alone has its room however large it is. */
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
  // Which of the two counts is the protocol's affair.
  return [headers["content-encoding"], headers["grpc-encoding"]].some((name = "identity") => name !== "identity");
}

/** Looks at a picture's JSON, piece by piece, before it is parsed: one text makes nearly all of it. Refuses it when it does not. */
function uploadJsonCheck(refuse: (refusal: DomainError) => never): (piece: Buffer) => void {
  let count = 0;
  return (piece) => {
    for (const sign of signs)
      for (let at = piece.indexOf(sign); at !== -1; at = piece.indexOf(sign, at + 1))
        if (++count > signsMax) refuse(manifold);
  };
}
