import { inTime } from "../../helpers/in-time.ts";

/** A link that has not closed after this is left behind. */
const closeMs = 2000;

/** Resolves when it is closed, could not be, or takes too long. */
export async function closed(closing: Promise<unknown>): Promise<void> {
  await inTime(closeMs, closing).catch(() => {});
}
