import { hourMs } from "../../model/time.ts";

/** How long one picture may take in all. */
const wholeMs = hourMs;

/**
 * Aborts its signal when one wait for the other side takes too long, or when everything together does. Time that others
 * take meanwhile does not count as waiting.
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

  /** Ends whatever the signal was given to. */
  end(): void {
    this.pause();
    clearTimeout(this.#whole);
    this.#controller.abort(new Error("no longer wanted"));
  }

  #abortIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#controller.abort(new Error("no answer in time")), ms);
  }
}
