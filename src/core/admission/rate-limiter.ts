import { lruCache } from "../../helpers/lru-cache.ts";
import type { MaybePromise } from "../../helpers/maybe-promise.ts";
import { oncePerMinute } from "../../helpers/once-per-minute.ts";
import { DomainError } from "../../model/errors.ts";
import type { Quota, Standing } from "../../model/rate-limits.ts";
import { type Clock, isRecent } from "../../ports/clock.ts";
import type { CounterStore } from "../../ports/counter-store.ts";
import type { Log } from "../../ports/log.ts";

const keysMax = 50_000;
/** The share of a limit that one server may count before it tells the store: ten servers overshoot by a tenth at most. */
const unsentShare = 1 / 100;

/** Calls that go to the store in one addition. */
interface Batch {
  calls: number;
  /** Resolves to the store's count before these calls. */
  sent: Promise<number> | undefined;
}

interface Window {
  startedAt: number;
  /** What the store last told, and what was counted here since. */
  count: number;
  open: Batch;
  sending: Promise<unknown>;
}

/**
 * Counts calls against limits that all servers share, without asking the store where the answer is clear: up to a small
 * share of each limit is counted here alone, and a caller known to be over the limit is refused at once. Without the
 * store, this server counts alone.
 */
export class RateLimiter {
  readonly #counters: CounterStore;
  readonly #clock: Clock;
  readonly #countedAlone: (error: Error) => void;
  readonly #windows = lruCache<Window>(keysMax);

  constructor(deps: { counters: CounterStore; clock: Clock; log: Log }) {
    this.#counters = deps.counters;
    this.#clock = deps.clock;
    this.#countedAlone = oncePerMinute((err) => deps.log.warn({ err }, "calls are counted by this server alone"));
  }

  /** Counts a call, but one that this server refuses by itself. */
  count(quota: Quota): MaybePromise<Standing> {
    const { limit } = quota;
    const window = this.#window(quota);
    if (window.count >= limit.count) return this.#standing(window, quota, true);
    window.count += 1;
    const batch = window.open;
    const place = ++batch.calls;
    if (place <= limit.count * unsentShare) return this.#standing(window, quota, false);
    batch.sent ??= this.#send(window, batch, quota);
    return batch.sent.then((before) => this.#standing(window, quota, before + place > limit.count));
  }

  #standing({ startedAt, count }: Window, quota: Quota, isOver: boolean): Standing {
    const resetMs = Math.max(0, startedAt + quota.limit.windowMs - this.#clock());
    return { quota, isOver, remaining: isOver ? 0 : Math.max(0, quota.limit.count - count), resetMs };
  }

  #window({ key, limit }: Quota): Window {
    const now = this.#clock();
    const known = this.#windows.get(key);
    if (known !== undefined && isRecent(known.startedAt, limit.windowMs, now)) return known;
    const fresh = { startedAt: now, count: 0, open: emptyBatch(), sending: Promise.resolve() };
    this.#windows.set(key, fresh);
    return fresh;
  }

  /** Sends one batch of a window at a time; calls that come meanwhile gather in the next batch. */
  #send(window: Window, batch: Batch, quota: Quota): Promise<number> {
    const sent = window.sending.then(async () => {
      window.open = emptyBatch();
      const countedHere = window.count - batch.calls;
      try {
        const { key, limit } = quota;
        const now = this.#clock();
        const stored = await this.#counters.add(key, batch.calls, now, limit.windowMs);
        // Another server's clock may be ahead: a window of the future would be taken for one that is over.
        window.startedAt = Math.min(stored.startedAt, now);
        window.count = stored.count + window.open.calls;
        return stored.count - batch.calls;
      } catch (error) {
        this.#countedAlone(error as Error);
        return countedHere;
      }
    });
    window.sending = sent;
    return sent;
  }
}

function emptyBatch(): Batch {
  return { calls: 0, sent: undefined };
}

export function overLimit({ quota: { name, limit }, resetMs }: Standing): DomainError {
  const message = `more than ${limit.count} calls in ${limit.windowMs / 1000} seconds (${name}): wait before the next`;
  return new DomainError("resource_exhausted", "RATE_LIMITED", message, { retryAfterMs: resetMs });
}
