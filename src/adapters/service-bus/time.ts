import { setTimeout as delay } from "node:timers/promises";

/** A link that does not come to an end is left behind after this. */
const closeMs = 2000;

/** Rejects when it takes longer: a link lost at a bad moment may hold up the SDK for a minute, whatever it was told. */
export async function inTime<T>(ms: number, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const tooLate = delay(ms, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new Error(`no answer in ${ms / 1000} s`);
  });
  tooLate.catch(() => {});
  return Promise.race([work, tooLate]).finally(() => timer.abort());
}

/** Resolves when it is closed, could not be, or takes too long. */
export async function closed(closing: Promise<unknown>): Promise<void> {
  await inTime(closeMs, closing).catch(() => {});
}
