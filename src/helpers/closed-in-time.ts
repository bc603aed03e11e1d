import { inTime } from "./in-time.ts";

/** A connection that has not closed after this is left behind: closing tells the other side, which may be away. */
const closeMs = 2000;

/** Resolves when it is closed, could not be, or takes too long. */
export async function closedInTime(closing: Promise<unknown>): Promise<void> {
  await inTime(closeMs, closing).catch(() => {});
}
