import { inTime } from "../../helpers/in-time.ts";
import { oncePerMinute } from "../../helpers/once-per-minute.ts";
import type { Log } from "../../ports/log.ts";
import { StoreUnavailable } from "../../ports/store-errors.ts";
import { isAway, isRefusing, translated } from "./errors.ts";

/** How long a call waits for its answer; and how long one that only tests whether the database answers again. */
const answerMs = 2500;
const tryMs = 1000;

/**
 * Every call passes here. A call without an answer ends in time. From then on, until a call is answered, one at a time
 * tries and all others are refused at once: nothing piles up before a database that is away.
 */
export class CircuitBreaker {
  readonly #log: Log;
  readonly #refused: (error: Error) => void;
  /** When the first call had no answer, by `performance.now`; undefined while calls are answered. */
  #awaySince: number | undefined;
  #isTrying = false;
  #isClosed = false;
  #passing = 0;
  /** Grows each time the database answers again: a call that began before and fails later does not mark it as away. */
  #returns = 0;

  constructor(log: Log) {
    this.#log = log;
    this.#refused = oncePerMinute(({ message }) => {
      log.error({ reason: message }, "the database refuses calls: it has no room, or its credential is no longer good");
    });
  }

  /** For how long no call has had an answer; 0 while calls are answered. */
  get awayMs(): number {
    return this.#awaySince === undefined ? 0 : performance.now() - this.#awaySince;
  }

  /** Calls that have no answer yet. */
  get passing(): number {
    return this.#passing;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What is still under way fails, which says nothing of the database. */
  close(): void {
    this.#isClosed = true;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#awaySince === undefined) return this.#attempt(work, answerMs);
    if (this.#isTrying) throw new StoreUnavailable();
    this.#isTrying = true;
    try {
      return await this.#attempt(work, tryMs);
    } finally {
      this.#isTrying = false;
    }
  }

  async #attempt<T>(work: () => Promise<T>, ms: number): Promise<T> {
    const returns = this.#returns;
    this.#passing += 1;
    try {
      const result = await inTime(ms, work(), () => new StoreUnavailable());
      this.#answered();
      return result;
    } catch (thrown) {
      if (isRefusing(thrown)) this.#refused(thrown);
      if (!(thrown instanceof StoreUnavailable || isAway(thrown))) this.#answered();
      else if (returns === this.#returns) this.#silent(thrown);
      throw translated(thrown);
    } finally {
      this.#passing -= 1;
    }
  }

  #answered(): void {
    if (this.#awaySince === undefined) return;
    this.#awaySince = undefined;
    this.#returns += 1;
    this.#log.info({}, "the database answers again");
  }

  #silent(thrown: Error): void {
    if (this.#awaySince !== undefined || this.#isClosed) return;
    this.#awaySince = performance.now();
    const reason = thrown instanceof StoreUnavailable ? "no answer in time" : thrown.message;
    this.#log.error({ reason }, "the database cannot be reached; calls are refused until it answers");
  }
}
