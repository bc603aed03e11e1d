import { percentile } from "./statistics.ts";

/** What was seen at the end of one stretch of a soak. */
export interface Stretch {
  /** After a collection of garbage. */
  readonly liveMiB: number;
  readonly residentMiB: number;
  /** The server's processor time for a call: what others on the machine do says little in it. */
  readonly cpuUs: number;
  readonly p50: number;
  readonly p99: number;
}

export interface Rise {
  readonly what: keyof Stretch;
  readonly from: number;
  readonly to: number;
}

/** By how much the end may be above the beginning: as a share, and at least so many MiB or milliseconds. */
const allowed: Readonly<Record<keyof Stretch, { readonly share: number; readonly least: number }>> = {
  liveMiB: { share: 0.1, least: 4 },
  residentMiB: { share: 0.15, least: 16 },
  cpuUs: { share: 0.25, least: 10 },
  p50: { share: 0.5, least: 1 },
  p99: { share: 1, least: 20 },
};
/** Fewer say nothing. */
export const stretchesMin = 6;

/**
 * What rises: where the median of the last third of the stretches is further above that of the first third than allowed. The
 * very first is thrown away, since caches fill in it. Undefined when there are too few.
 */
export function risesIn([, ...stretches]: readonly Stretch[]): readonly Rise[] | undefined {
  if (stretches.length < stretchesMin) return undefined;
  const third = Math.floor(stretches.length / 3);
  const median = (some: readonly Stretch[], what: keyof Stretch) =>
    percentile(
      some.map((each) => each[what]),
      50,
    );
  const names = Object.keys(allowed) as (keyof Stretch)[];
  return names
    .map((what) => ({ what, from: median(stretches.slice(0, third), what), to: median(stretches.slice(-third), what) }))
    .filter(({ what, from, to }) => to - from > Math.max(allowed[what].share * from, allowed[what].least));
}
