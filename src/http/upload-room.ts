import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyMax, uploadBodyMax } from "../model/body-limits.ts";
import type { CountedBody, Place } from "../model/call.ts";
import { onceAnswered } from "./messages.ts";

/** The memory for large bodies, of which each has a place: as long as it says that it is, or as much as has come of it. */
export class UploadRoom {
  readonly #max: number;
  readonly #refuse: () => never;
  #taken = 0;

  constructor(max: number, refuse: () => never) {
    this.#max = max;
    this.#refuse = refuse;
  }

  placeFor(request: IncomingMessage & CountedBody, response: ServerResponse): Place {
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

    request.onPiece = (bytes) => {
      came += bytes;
      hold(came);
    };
    onceAnswered(response, () => void work.then(release, release));
    return {
      take: () => hold(Math.min(Number(request.headers["content-length"] ?? 0), uploadBodyMax)),
      keepFor(all) {
        work = all;
      },
    };
  }

  /** One alone has its place however large it is. */
  #grow(from: number, to: number): void {
    const others = this.#taken - from;
    if (others > 0 && others + to > this.#max) this.#refuse();
    this.#taken = others + to;
  }
}
