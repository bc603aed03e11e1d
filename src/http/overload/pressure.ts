import { MessageChannel } from "node:worker_threads";

/** A long wait counts behind more calls than this. Behind fewer it has another cause, such as a machine that is busy elsewhere. */
export const crowd = 32;
/** When so many writes, or on MongoDB calls, wait for the database, it is too much. */
export const pendingMax = 1000;

/** Milliseconds between two measurements: one takes as long as a small call, so not each call makes one. */
const everyMs = 10;

/** After this many times the longest wait, the next long one no longer counts as the second in a row. */
const longAgo = 10;

export interface PressureOptions {
  /** How long requests may wait for the event loop, milliseconds. */
  readonly waitMaxMs: number;
  /** How much waits for the database. */
  readonly pending: () => number;
  /** Runs `run` once everything that came before it is handled; `lineUp` unless given. */
  readonly behindAll?: (run: () => void) => void;
}

/** Whether a call comes on top of more than can be answered. Asked once for each call, with the time. */
export type Pressure = (now: number) => boolean;

/**
 * Measures the queue again and again by a message of our own that waits in it. Two long waits in a row mean an overload:
 * the calls still before the message in the second are too many. One long wait alone is a burst, or a single heavy call.
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
 * Sends this process a message, which waits in the system's ready queue behind the requests that came before it. A turn of
 * the event loop takes a thousand requests at a time, so its end would say nothing of those that are left.
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
