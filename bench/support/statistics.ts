/** Of one number a round. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function summarise(samples: readonly number[]): Summary {
  return { median: percentile(samples, 50), min: Math.min(...samples), max: Math.max(...samples) };
}

/** The nearest sample from below for 50 and 99 alike, but for an even number's median: then the mean of the middle two. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[Math.min(Math.max(index, 0), sorted.length - 1)] ?? Number.NaN;
  const middle = sorted.length / 2;
  if (percent === 50 && Number.isInteger(middle)) return (at(middle - 1) + at(middle)) / 2;
  return at(Math.ceil((percent / 100) * sorted.length) - 1);
}

/** Round by round, so that what slows both sides of a round cancels out. */
export function ratios(measured: readonly number[], reference: readonly number[]): number[] {
  return measured.map((value, round) => value / (reference[round] ?? Number.NaN));
}

/**
 * Mann and Whitney's z, for samples without many ties: beyond ±3 in 3 of 1000 cases if both come from the same
 * distribution; positive where the first is the greater one.
 */
export function mannWhitney(first: readonly number[], second: readonly number[]): number {
  const [n, m] = [first.length, second.length];
  const greater = first.reduce((sum, a) => sum + second.reduce((count, b) => count + above(a, b), 0), 0);
  return (greater - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12);
}

const above = (a: number, b: number) => (a > b ? 1 : a === b ? 0.5 : 0);
