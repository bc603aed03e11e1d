import { networkOf } from "../../model/address.ts";
import { cutAnswer, cutConnection, type HttpResponse, heldOf } from "../server/http-messages.ts";

interface Answered {
  readonly response: HttpResponse;
  readonly address: string;
}

interface Share {
  held: number;
  readonly answers: { readonly response: HttpResponse; readonly bytes: number }[];
}

/** How long a stream of HTTP/2 may take to end once it was cut: nothing leaves by a connection that is not read. */
const cutMs = 1000;

/**
 * The memory for answers that wait for their callers to take them. Where they hold more than `max` bytes together, answers
 * of the address that holds most are cut: a caller of few bytes could have thousands of the largest made.
 */
export class HeldAnswers {
  readonly #max: number;
  readonly #cutAt = new WeakMap<HttpResponse, number>();

  constructor(max: number) {
    this.#max = max;
  }

  look(open: readonly Answered[], now: number): void {
    const shares = new Map<string, Share>();
    let held = 0;
    for (const { response, address } of open) {
      const bytes = this.#heldOf(response, now);
      if (bytes === 0) continue;
      held += bytes;
      const share = shares.getOrInsertComputed(networkOf(address), () => ({ held: 0, answers: [] }));
      share.held += bytes;
      share.answers.push({ response, bytes });
    }
    if (held <= this.#max) return;
    const falling = [...shares.values()].sort((a, b) => b.held - a.held);
    const level = levelOf(falling, this.#max);
    for (const share of falling) while (held > this.#max && share.held > level) held -= this.#cutOne(share, now);
  }

  /** What was cut counts no more. */
  #heldOf(response: HttpResponse, now: number): number {
    const cutAt = this.#cutAt.get(response);
    if (cutAt === undefined) return heldOf(response);
    if (now - cutAt > cutMs) cutConnection(response);
    return 0;
  }

  /** Returns how many bytes it held. */
  #cutOne(share: Share, now: number): number {
    const { response, bytes } = share.answers.pop() as Share["answers"][number];
    share.held -= bytes;
    this.#cutAt.set(response, now);
    cutAnswer(response);
    return bytes;
  }
}

/** The most that each address may hold, so that all together hold `max` and nobody is cut who holds less. */
function levelOf(falling: readonly Share[], max: number): number {
  let left = max;
  for (const [index, { held }] of falling.toReversed().entries()) {
    const level = left / (falling.length - index);
    if (held > level) return level;
    left -= held;
  }
  return max;
}
