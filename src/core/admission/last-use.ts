import { lruCache } from "../../helpers/lru-cache.ts";
import type { Clock } from "../../ports/clock.ts";

const writeEveryMs = 60_000;
const entriesMax = 20_000;

/** Notes when something was last used, off the call's path and at most once a minute. */
export class LastUse {
  readonly #touch: (id: string, at: number) => Promise<void>;
  readonly #clock: Clock;
  readonly #onError: (error: Error) => void;
  readonly #written = lruCache<number>(entriesMax);

  constructor(touch: (id: string, at: number) => Promise<void>, clock: Clock, onError: (error: Error) => void) {
    this.#touch = touch;
    this.#clock = clock;
    this.#onError = onError;
  }

  note(id: string, lastUsedAt: number): void {
    const now = this.#clock();
    if (now - Math.max(lastUsedAt, this.#written.get(id) ?? 0) < writeEveryMs) return;
    this.#written.set(id, now);
    this.#touch(id, now).catch(this.#onError);
  }
}
