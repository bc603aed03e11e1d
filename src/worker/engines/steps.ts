import { setImmediate } from "node:timers/promises";

/** Reports that one more part of the work is done. Throws if the task was aborted meanwhile. */
export type Step = () => Promise<void>;

export function countSteps(total: number, report: (progress: number) => void, signal: AbortSignal): Step {
  let done = 0;
  return async () => {
    done += 1;
    report(done / total);
    // Lets heartbeats go out, and the abort that this process was told of meanwhile reach the signal.
    await setImmediate();
    signal.throwIfAborted();
  };
}
