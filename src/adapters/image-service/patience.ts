/** Aborts its signal when we wait for the other side too long at a time. What others take meanwhile does not count. */
export class Patience {
  readonly #ms: number;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  wait(): void {
    this.rest();
    this.#timer = setTimeout(() => this.#controller.abort(new Error("no answer in time")), this.#ms);
  }

  rest(): void {
    clearTimeout(this.#timer);
  }

  /** Lets go of whatever the signal was given to. */
  end(): void {
    this.rest();
    this.#controller.abort(new Error("no longer wanted"));
  }
}
