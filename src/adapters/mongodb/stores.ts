import type { ImageJob } from "../../model/image-job.ts";
import type { Log } from "../../ports/log.ts";
import { mongodbAccountStore } from "./account-store.ts";
import { mongodbAuditStore } from "./audit-store.ts";
import { mongodbBlobStore } from "./blob-store.ts";
import { createClient } from "./client.ts";
import { mongodbClientStore } from "./client-store.ts";
import type { CollectionName } from "./collections.ts";
import { mongodbCounterStore } from "./counter-store.ts";
import { Database } from "./database.ts";
import { mongodbFileStore } from "./file-store.ts";
import { mongodbImageStore } from "./image-store.ts";
import { mongodbJobStore } from "./job-store.ts";
import { mongodbSecretStore } from "./secret-store.ts";
import { mongodbSessionStore } from "./session-store.ts";
import { mongodbSignInAttemptStore } from "./sign-in-attempt-store.ts";
import { mongodbUsageStore } from "./usage-store.ts";

/**
 * All that a server stores, in one database; `dueAt` is model/job-life's. Rejects with what an operator should know of the
 * URI or of the server.
 */
export async function openStores(
  { uri, database }: { readonly uri: string; readonly database: string },
  dueAt: (job: ImageJob) => number,
  log: Log,
) {
  const db = await Database.open(() => createClient(uri), database, log);
  const counters = mongodbCounterStore(db);
  return {
    accounts: mongodbAccountStore(db),
    sessions: mongodbSessionStore(db),
    clients: mongodbClientStore(db),
    audit: mongodbAuditStore(db),
    attempts: mongodbSignInAttemptStore(db),
    counters,
    usage: mongodbUsageStore(db),
    jobs: mongodbJobStore(db, dueAt),
    images: mongodbImageStore(db),
    files: mongodbFileStore(db),
    blobs: mongodbBlobStore(db),
    secrets: mongodbSecretStore(db),
    /** How many documents a collection has, by the server's metadata: at no cost, and a few off after it was killed. */
    count: (name: CollectionName) => db.run(() => db.collection(name).estimatedDocumentCount()),
    pending: () => db.pending,
    async ping() {
      // A write, since a database without room, or one that may only be read, answers reads.
      await counters.add("health", 1, Date.now(), 60_000);
    },
    close: () => db.close(),
  };
}
