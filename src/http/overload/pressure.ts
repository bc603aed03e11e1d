import { MessageChannel } from "node:worker_threads";

/** Calls. A wait behind fewer was long for another reason, such as a machine that has other things to do. */
export const crowd = 32;
/** Writes, or on MongoDB calls, that wait for the database. */
export const pendingMax = 1000;

/** Milliseconds: standing in the queue takes as long as a small call, so not each call does. */
const everyMs = 10;

/** Times the longest wait: after that the next one is not the next in a row. */
const longAgo = 10;

export interface PressureOptions {
  /** How long what comes may wait for the event loop, milliseconds. */
  readonly waitMaxMs: number;
  /** How much waits for the database. */
  readonly pending: () => number;
  /** Runs what it is given once all is dealt with that has come so far: by `lineUp` unless another is given. */
  readonly behindAll?: (run: () => void) => void;
}

/** Asked once for each call, with the time: whether it comes on top of more than can be answered. */
export type Pressure = (now: number) => boolean;

/**
 * Somebody stands in the queue to see how long it takes, again and again. Two long waits in a row are a queue that
 * stands: what is still before that somebody in the second is too much. One alone is a burst, or a single heavy call.
 */
export function createPressure({ waitMaxMs, pending, behindAll = lineUp() }: PressureOptions): Pressure {
  let since = Number.NEGATIVE_INFINITY;
  let isWaiting = false;
  let calls = 0;
  let isLong = false;
  let wasLong = false;

  function depart(now: number): void {
    wasLong = isLong && now - since < longAgo * waitMaxMs;
    isLong = false;
    since = now;
    calls = 0;
    isWaiting = true;
    behindAll(() => {
      isWaiting = false;
    });
  }

  return (now) => {
    if (!isWaiting && now - since >= everyMs) depart(now);
    calls += 1;
    if (isWaiting) isLong ||= calls > crowd && now - since > waitMaxMs;
    return (isWaiting && isLong && wasLong) || pending() >= pendingMax;
  };
}

/**
 * By a message to oneself, which stands in the system's queue of what is ready, behind the requests that came before it. A turn
 * of the event loop takes a thousand of them at a time, so that its end says nothing of those that are left.
 */
function lineUp(): NonNullable<PressureOptions["behindAll"]> {
  const { port1, port2 } = new MessageChannel();
  let waiting = () => {};
  port2.on("message", () => waiting());
  port1.unref();
  port2.unref();
  return (run) => {
    waiting = run;
    port1.postMessage(undefined);
  };
}
