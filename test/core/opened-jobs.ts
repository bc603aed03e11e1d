import { onTestFinished } from "vitest";
import { sqliteJobStore } from "../../src/adapters/sqlite/job-store.ts";
import { JobChanges } from "../../src/core/jobs/job-changes.ts";
import { JobRecords } from "../../src/core/jobs/job-records.ts";
import type { JobStore } from "../../src/ports/job-store.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";

export interface Process {
  readonly store: JobStore;
  readonly changes: JobChanges;
  readonly records: JobRecords;
}

/** What one process has of the jobs in a file; another one opens the same `path`. */
export async function openJobs(path?: string, wrap = (store: JobStore): JobStore => store) {
  const { db, path: opened } = await openDatabase(path);
  const store = sqliteJobStore(db, ({ dispatchAt }) => dispatchAt);
  const wrapped = wrap(store);
  const changes = new JobChanges(wrapped, (error) => {
    throw error;
  });
  onTestFinished(() => changes.stop());
  const process: Process = { store, changes, records: new JobRecords(wrapped, changes) };
  return { ...process, path: opened };
}
