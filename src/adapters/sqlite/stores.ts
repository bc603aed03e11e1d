import type { ImageJob } from "../../model/image-job.ts";
import { sqliteAccountStore } from "./account-store.ts";
import { sqliteAuditStore } from "./audit-store.ts";
import { sqliteClientStore } from "./client-store.ts";
import { sqliteCounterStore } from "./counter-store.ts";
import { type Alarms, Database } from "./database.ts";
import { sqliteFileStore } from "./file-store.ts";
import { sqliteImageStore } from "./image-store.ts";
import { sqliteJobStore } from "./job-store.ts";
import { sqliteSecretStore } from "./secret-store.ts";
import { sqliteSessionStore } from "./session-store.ts";
import { sqliteSignInAttemptStore } from "./sign-in-attempt-store.ts";
import { databaseMigrations } from "./tables.ts";
import { sqliteUsageStore } from "./usage-store.ts";

/**
 * All that a server stores but pictures' bytes, in the file at `path`; `dueAt` is model/job-life's. Rejects when the file
 * cannot be opened.
 */
export async function openStores(path: string, dueAt: (job: ImageJob) => number, alarms: Alarms) {
  const db = await Database.open(path, databaseMigrations, alarms);
  return {
    accounts: sqliteAccountStore(db),
    sessions: sqliteSessionStore(db),
    clients: sqliteClientStore(db),
    audit: sqliteAuditStore(db),
    attempts: sqliteSignInAttemptStore(db),
    counters: sqliteCounterStore(db),
    usage: sqliteUsageStore(db),
    jobs: sqliteJobStore(db, dueAt),
    images: sqliteImageStore(db),
    files: sqliteFileStore(db),
    secrets: sqliteSecretStore(db),
    pending: () => db.pending,
    ping: () => db.ping(),
    close: () => db.close(),
  };
}
