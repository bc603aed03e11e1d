import type { ImportOutcome } from "../core/imports/imports.ts";
import { DomainError } from "../model/errors.ts";
import type { Log } from "../ports/log.ts";
import { UserError } from "../user-error.ts";
import type { Row, Values } from "./rows.ts";

export type Report = { readonly place: string } & (
  | ImportOutcome
  | { readonly outcome: "refused"; readonly reason: string }
);

/** Records on their way at a time. */
const concurrency = 16;

/**
 * What became of each record, in the order of the file. What is refused does not stop the others. What was begun is ended
 * before anything else ends the import, and told.
 */
export async function* reports(
  rows: AsyncIterable<Row> | Iterable<Row>,
  take: (values: Values) => Promise<ImportOutcome>,
  log: Log,
): AsyncGenerator<Report> {
  const begun: Promise<Report>[] = [];
  try {
    for await (const { place, values } of rows) {
      const next = report(place, () => take(values), log);
      // A failure is told in its turn.
      next.catch(() => {});
      if (begun.push(next) === concurrency) yield begun.shift() as Promise<Report>;
    }
    while (begun.length > 0) yield begun.shift() as Promise<Report>;
  } catch (error) {
    for (const ended of await Promise.allSettled(begun)) if (ended.status === "fulfilled") yield ended.value;
    throw error;
  } finally {
    await Promise.allSettled(begun);
  }
}

async function report(place: string, take: () => Promise<ImportOutcome>, log: Log): Promise<Report> {
  try {
    return { place, ...(await take()) };
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${place}: ${error.message}`);
    if (error instanceof DomainError && error.code !== "unavailable")
      return { place, outcome: "refused", reason: error.message };
    log.error({ err: error, place }, "an import stopped; what was imported stays");
    throw error instanceof DomainError ? new UserError(`${place}: ${error.message}`) : error;
  }
}
