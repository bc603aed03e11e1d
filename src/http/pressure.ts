/** Calls. A turn that answers fewer was long for another reason, such as a machine that has other things to do. */
export const crowd = 32;
/** Writes, or on MongoDB calls, that wait for the database. */
export const pendingMax = 1000;

export interface PressureOptions {
  /** How long one turn of the event loop may take, milliseconds. */
  readonly turnMaxMs: number;
  /** How much waits for the database. */
  readonly pending: () => number;
  /** Runs what it is given once the turn has dealt with all that had come: Node's own unless another is given. */
  readonly atTurnEnd?: (end: () => void) => void;
}

/** Asked once for each call, with the time: whether it comes on top of more than can be answered. */
export type Pressure = (now: number) => boolean;

/**
 * What has come while a turn ran is the next one's, so a call waits about as long as turns take. Two long ones in a row are
 * a queue that stands: what still waits in the second is too much. One alone is a burst, or a single heavy call.
 */
export function createPressure({ turnMaxMs, pending, atTurnEnd = setImmediate }: PressureOptions): Pressure {
  let since: number | undefined;
  let calls = 0;
  let isLong = false;
  let wasLong = false;

  function end(): void {
    wasLong = isLong;
    since = undefined;
  }

  function begin(now: number): void {
    since = now;
    calls = 0;
    isLong = false;
    atTurnEnd(end);
  }

  return (now) => {
    if (since === undefined) begin(now);
    calls += 1;
    isLong ||= calls > crowd && now - (since ?? now) > turnMaxMs;
    return (isLong && wasLong) || pending() >= pendingMax;
  };
}
