import { StoreUnavailable } from "../ports/store-errors.ts";

/** A task that runs again and again until stopped; one run at a time. */
export interface Repeating {
  /** Resolves when the current run has ended; there is none after it. */
  stop(): Promise<void>;
}

/**
 * Runs `task` every `everyMs` after its last end. What it throws goes to `onError`, and the next run comes all the same.
 * StoreUnavailable is not reported: the log tells of an outage by itself, and not of each call that met it.
 */
export function repeat(everyMs: number, task: () => Promise<void>, onError: (error: unknown) => void): Repeating {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  function schedule(): void {
    timer = setTimeout(() => {
      running = task()
        .catch((error: unknown) => {
          if (!(error instanceof StoreUnavailable)) onError(error);
        })
        .finally(() => {
          if (!stopped) schedule();
        });
    }, everyMs);
    timer.unref();
  }
  schedule();

  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
