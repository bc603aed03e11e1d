import { setTimeout as delay } from "node:timers/promises";
import { retryDelayOf } from "../../client/errors.ts";
import { reasonOf } from "../../client/index.ts";

/** The longest that a limit of calls a minute has its caller wait. */
const waitMaxMs = 60_000;

interface Page {
  readonly nextPageToken: string;
}

/** All pages of a list. */
export async function pages<P extends Page>(
  read: (page: { pageSize: number; pageToken: string }) => Promise<P>,
): Promise<P[]> {
  const all: P[] = [];
  let pageToken = "";
  do {
    const page = await withinLimit(() => read({ pageSize: 100, pageToken }));
    all.push(page);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

/** A long list has more pages than its reader has calls in a minute: the next one waits until they have more. */
async function withinLimit<P>(read: () => Promise<P>): Promise<P> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      const wait = reasonOf(error) === "RATE_LIMITED" ? retryDelayOf(error) : undefined;
      if (wait === undefined || wait > waitMaxMs) throw error;
      await delay(wait);
    }
  }
}
