import { hourMs } from "../../model/time.ts";

/** How long one picture may take in all. */
const wholeMs = hourMs;

/**
 * Aborts its signal when we wait for the other side too long at a time, where what others take meanwhile does not count,
 * or when all has taken too long.
 */
export class IdleTimeout {
  readonly #ms: number;
  readonly #controller = new AbortController();
  readonly #whole = this.#abortIn(wholeMs);
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  start(): void {
    this.pause();
    this.#timer = this.#abortIn(this.#ms);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  /** Lets go of whatever the signal was given to. */
  end(): void {
    this.pause();
    clearTimeout(this.#whole);
    this.#controller.abort(new Error("no longer wanted"));
  }

  #abortIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#controller.abort(new Error("no answer in time")), ms);
  }
}
