import type { Log } from "../ports/log.ts";

/** Registers the function that ends the part that was just started. */
export type OnStop = (part: string, end: () => Promise<unknown> | undefined) => void;

/** Parts that run until `stop`, which tells of each as it begins to wait for it; a second `stop` waits for the first. */
export type Running<Parts> = Parts & { stop(onPart?: (part: string) => void): Promise<void> };

/** Starts parts one after another. They end in reverse order, when stopped and when a later one fails to start. */
export async function startParts<Parts>(log: Log, start: (onStop: OnStop) => Promise<Parts>): Promise<Running<Parts>> {
  const ends: Parameters<OnStop>[] = [];
  let stopped: Promise<void> | undefined;

  async function endAll(onPart?: (part: string) => void): Promise<void> {
    for (const [part, end] of ends.toReversed()) {
      onPart?.(part);
      try {
        await end();
      } catch (error) {
        log.error({ err: error, part }, "a part did not stop in order");
      }
    }
  }

  try {
    const parts = await start((...end) => void ends.push(end));
    return { ...parts, stop: (onPart) => (stopped ??= endAll(onPart)) };
  } catch (error) {
    await endAll();
    throw error;
  }
}
