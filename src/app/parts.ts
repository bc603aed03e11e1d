import type { Log } from "../ports/log.ts";

/** Registers the function that ends the part that was just started. */
export type OnStop = (end: () => Promise<unknown> | undefined) => void;

/** Parts that run until `stop`; a second `stop` waits for the first. */
export type Running<Parts> = Parts & { stop(): Promise<void> };

/** Starts parts one after another. They end in reverse order, when stopped and when a later one fails to start. */
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
