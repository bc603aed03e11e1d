import { lruCache } from "../helpers/lru-cache.ts";
import { reportCounts } from "../helpers/report-counts.ts";
import { networkOf } from "../model/address.ts";
import { minuteMs } from "../model/time.ts";
import { type Clock, isRecent } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";

/** How many refused tries of one address against one subject are kept in a minute. */
const keptMax = 20;
const windowsMax = 50_000;

interface Window {
  readonly since: number;
  tries: number;
}

/**
 * Bounds how many refused tries a stranger may have this server write down. What names no subject of ours, such as
 * made-up keys and names, counts together, and so keeps no try against a real one from being written down.
 */
export class StrangersTries {
  readonly #clock: Clock;
  readonly #windows = lruCache<Window>(windowsMax);
  readonly #leftOut: (what: string) => void;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#leftOut = reportCounts(minuteMs, (counts) => {
      log.warn(counts, "refused tries were left out of the audit trail");
    });
  }

  /** Counts the try. `subject` is empty where there is none. */
  isToBeKept(address: string, subject: string): boolean {
    const key = `${networkOf(address)} ${subject}`;
    const now = this.#clock();
    const known = this.#windows.get(key);
    const window = known !== undefined && isRecent(known.since, minuteMs, now) ? known : { since: now, tries: 0 };
    this.#windows.set(key, window);
    window.tries += 1;
    if (window.tries <= keptMax) return true;
    this.#leftOut("events");
    return false;
  }
}
