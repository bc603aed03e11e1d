/** Milliseconds since the epoch. */
export type Clock = () => number;

/** How far the clocks of several servers may be apart. */
export const clocksApartMs = 20_000;

/** Well more than that: for so long nobody deletes what another may still be keeping. */
export const clockSkewMs = 60_000;

/** Whether less than `ms` have passed since then. A clock that was set back makes nothing recent for longer. */
export function isRecent(since: number, ms: number, now: number): boolean {
  return since <= now && now - since < ms;
}
