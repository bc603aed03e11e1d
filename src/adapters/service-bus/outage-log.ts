import { setTimeout as delay } from "node:timers/promises";
import type { ServiceBusReceiver } from "@azure/service-bus";
import type { Log } from "../../ports/log.ts";
import { isLost, reasonOf } from "./errors.ts";

/** How long a queue must be quiet before it is looked at, by the link that settlements may wait for. */
const quietMs = 5000;

interface OutageLogDeps {
  readonly queue: string;
  /** By which a queue that failed is looked at: where it is quiet no message tells that it answers. */
  readonly lookout: Pick<ServiceBusReceiver, "peekMessages" | "isClosed">;
  readonly log: Log;
}

/** Says once that a queue cannot be reached, and once that it can again, however many receivers find out. */
export class OutageLog {
  readonly #deps: OutageLogDeps;
  #isAway = false;
  #isLooking = false;
  #hasFailed = false;

  constructor(deps: OutageLogDeps) {
    this.#deps = deps;
  }

  failed(error: unknown): void {
    const { queue, log } = this.#deps;
    const fields = { queue, reason: reasonOf(error) };
    if (isLost(error)) return void log.warn(fields, "a message's lock was lost before it was settled; it comes again");
    this.#hasFailed = true;
    if (this.#isAway) return;
    this.#isAway = true;
    log.error(fields, "the queue failed; it is tried again until it answers");
    if (!this.#isLooking) void this.#lookOut();
  }

  answered(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#deps.log.info({ queue: this.#deps.queue }, "the queue answers again");
  }

  /** A queue that shows its messages may still refuse to hand them over: then its receivers go on failing. */
  async #lookOut(): Promise<void> {
    this.#isLooking = true;
    while (this.#isAway && !this.#deps.lookout.isClosed) {
      this.#hasFailed = false;
      await delay(quietMs, undefined, { ref: false });
      if (this.#isAway && !this.#hasFailed && (await this.#isThere()) && !this.#hasFailed) this.answered();
    }
    this.#isLooking = false;
  }

  #isThere(): Promise<boolean> {
    return this.#deps.lookout.peekMessages(1).then(
      () => true,
      () => false,
    );
  }
}
