import { MessageChannel } from "node:worker_threads";

/** Calls. A wait behind fewer was long for another reason, such as a machine that has other things to do. */
export const crowd = 32;
/** Writes, or on MongoDB calls, that wait for the database. */
export const pendingMax = 1000;

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
 * Somebody is always in the queue to see how long it takes. Two long waits in a row are a queue that stands: what is still
 * before that somebody in the second is too much. One alone is a burst, or a single heavy call.
 */
export function createPressure({ waitMaxMs, pending, behindAll = lineUp() }: PressureOptions): Pressure {
  let since: number | undefined;
  let calls = 0;
  let isLong = false;
  let wasLong = false;

  function arrive(): void {
    wasLong = isLong;
    since = undefined;
  }

  function depart(now: number): number {
    calls = 0;
    isLong = false;
    behindAll(arrive);
    since = now;
    return since;
  }

  return (now) => {
    const start = since ?? depart(now);
    calls += 1;
    isLong ||= calls > crowd && now - start > waitMaxMs;
    return (isLong && wasLong) || pending() >= pendingMax;
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
