/** Milliseconds since the epoch. */
export type Clock = () => number;

/** How far the clocks of several servers may be apart. */
export const clocksApartMs = 20_000;

/** Well more than `clocksApartMs`: for this long nobody deletes what another server may still be storing. */
export const clockSkewMs = 60_000;

/**
 * Whether less than `ms` have passed since `since`. A time in the future is not recent, so setting the clock back keeps
 * nothing recent for longer.
 */
export function isRecent(since: number, ms: number, now: number): boolean {
  return since <= now && now - since < ms;
}
