/** Milliseconds since the epoch. */
export type Clock = () => number;

/** How far the clocks of several servers may be apart. */
export const clocksApartMs = 20_000;

/** Well more than that: for so long nobody deletes what another may still be keeping. */
export const clockSkewMs = 60_000;
