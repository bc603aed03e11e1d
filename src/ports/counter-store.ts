/** A count since its window began. */
export interface Counter {
  readonly id: string;
  readonly count: number;
  readonly startedAt: number;
}

/** Counts that all servers share. Every method may reject when the engine cannot be reached. */
export interface CounterStore {
  /**
   * Adds to the count in one atomic step, and resolves to the new count. A window that began `windowMs` before `now` or
   * earlier is over: the count begins anew at `now`. So is one that begins more than `clockSkewMs` after `now`: the
   * clock was set back since.
   */
  add(id: string, amount: number, now: number, windowMs: number): Promise<Counter>;
  /** Deletes counters whose startedAt is less, the oldest first, at most `limit`; resolves to their number. */
  deleteBefore(startedAt: number, limit: number): Promise<number>;
}
