import type { Log } from "../../ports/log.ts";
import { isLost, reasonOf } from "./errors.ts";

/** Says once that a queue cannot be reached, and once that it can again, however many receivers find out. */
export class OutageLog {
  readonly #queue: string;
  readonly #log: Log;
  #isAway = false;

  constructor(queue: string, log: Log) {
    this.#queue = queue;
    this.#log = log;
  }

  failed(error: unknown): void {
    const fields = { queue: this.#queue, reason: reasonOf(error) };
    if (isLost(error))
      return void this.#log.warn(fields, "a message's lock was lost before it was settled; it comes again");
    if (this.#isAway) return;
    this.#isAway = true;
    this.#log.error(fields, "the queue failed; it is tried again until it answers");
  }

  answered(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#log.info({ queue: this.#queue }, "the queue answers again");
  }
}
