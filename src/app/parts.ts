import type { Log } from "../ports/log.ts";

/** Tells how what was just started is ended. */
export type OnStop = (end: () => Promise<unknown> | undefined) => void;

/** What runs until it is stopped; stopping it again is the same stop. */
export type Running<Parts> = Parts & { stop(): Promise<void> };

/** Starts parts one after another. They end in reverse: when it is stopped, and when a later one fails to start. */
export async function startParts<Parts>(log: Log, start: (onStop: OnStop) => Promise<Parts>): Promise<Running<Parts>> {
  const ends: Parameters<OnStop>[0][] = [];
  let stopped: Promise<void> | undefined;

  async function endAll(): Promise<void> {
    for (const end of ends.toReversed()) {
      try {
        await end();
      } catch (error) {
        log.error({ err: error }, "a part did not stop in order");
      }
    }
  }

  try {
    const parts = await start((end) => void ends.push(end));
    return { ...parts, stop: () => (stopped ??= endAll()) };
  } catch (error) {
    await endAll();
    throw error;
  }
}
