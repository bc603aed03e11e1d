import { isDeepStrictEqual } from "node:util";
import pRetry from "p-retry";
import type { Archive } from "../adapters/sqlite/archive.ts";
import type { openMongodbStores } from "../app/backends.ts";
import { ConfigError } from "../config/config.ts";
import type { AuditEvent } from "../model/audit.ts";
import { dueAgain } from "../model/job-life.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { Log } from "../ports/log.ts";
import { DuplicateKey, StoreUnavailable } from "../ports/store-errors.ts";

export type Target = Awaited<ReturnType<typeof openMongodbStores>>;

/** All but counters, which are of the last minutes. In the order in which they are copied. */
export const tables = [
  "secrets",
  "accounts",
  "clients",
  "sessions",
  "attempts",
  "audit",
  "user_daily_usage",
  "images",
  "files",
  "jobs",
] as const;
type Table = (typeof tables)[number];

export interface Moved {
  readonly table: Table;
  /** In the data directory. */
  readonly found: number;
  /** The others were in the database before. */
  readonly copied: number;
}

/** Finds and stores records by their ids; `insert` may be repeated. */
interface Keeper<T> {
  get(id: string): Promise<T | undefined>;
  insert(record: T): Promise<void>;
}

/** Records on their way at a time; pictures are heavy, for the database above all. */
const lanes = 16;
const pictureLanes = 3;
/** A database that is away, or has no more request units for now, is asked again for a minute. */
const whileAway = { retries: 60, factor: 1, minTimeout: 1000 };

/** Rejects when the database has more than there was to copy: it, or the data directory, was used between two runs. */
export async function copyAll(from: Archive, to: Target, pictures: BlobStore, log: Log): Promise<Moved[]> {
  const copies: Readonly<Record<Table, () => Promise<number>>> = {
    secrets: () => copySecrets(from, to),
    accounts: () => copyTable(from.records("accounts"), to.accounts),
    clients: () => copyTable(from.records("clients"), to.clients),
    sessions: () => copyTable(from.records("sessions"), to.sessions),
    attempts: () => copyTable(from.records("attempts"), to.attempts),
    audit: () => copyTable(from.records("audit"), auditKeeper(to)),
    user_daily_usage: () => copyTable(from.records("user_daily_usage"), to.usage),
    images: () => copyTable(from.records("images"), blobKeeper(to.images, to.blobs, pictures), pictureLanes),
    files: () => copyTable(from.records("files"), blobKeeper(to.files, to.blobs, pictures), pictureLanes),
    jobs: () => copyTable(from.records("jobs"), to.jobs, lanes, dueAgain),
  };
  const moved: Moved[] = [];
  for (const table of tables) {
    const found = from.count(table);
    const copied = await copies[table]();
    if ((await retry(() => to.count(table))) > found) throw foreign(`${table} that the data directory has not`);
    moved.push({ table, found, copied });
    log.info({ table, found, copied }, "a table is in the database");
  }
  return moved;
}

export function foreign(what: string): ConfigError {
  return new ConfigError("MONGODB_DATABASE", `there are ${what}: name another database, or drop that one first`);
}

async function copySecrets(from: Archive, to: Target): Promise<number> {
  const before = await retry(() => to.count("secrets"));
  for (const { name, value } of from.secrets()) {
    const stored = await retry(() => to.secrets.getOrCreate(name, value));
    if (stored !== value) throw foreign(`other keys (${name}) than in the data directory`);
  }
  return (await retry(() => to.count("secrets"))) - before;
}

/** Copies the records; returns how many were not there. */
async function copyTable<T extends { readonly id: string }>(
  records: Generator<T>,
  to: Keeper<T>,
  width = lanes,
  changed = (record: T) => record,
): Promise<number> {
  let copied = 0;
  // A lane that fails ends the iterator of records for all lanes.
  const lane = async () => {
    for (const record of records) if (await retry(() => put(changed(record), to))) copied += 1;
  };
  await Promise.all(Array.from({ length: width }, lane));
  return copied;
}

async function put<T extends { readonly id: string }>(record: T, to: Keeper<T>): Promise<boolean> {
  const stored = await to.get(record.id);
  if (stored === undefined) {
    await to.insert(record);
    return true;
  }
  if (!isDeepStrictEqual(stored, record)) throw foreign(`other contents of ${record.id} than in the data directory`);
  return false;
}

/** A record that was written although the answer was lost is found by the next try. */
export function retry<T>(work: () => Promise<T>): Promise<T> {
  return pRetry(work, { ...whileAway, shouldRetry: ({ error }) => error instanceof StoreUnavailable });
}

function auditKeeper({ audit }: Target): Keeper<AuditEvent> {
  return {
    async get(id) {
      const [event] = await audit.list({ where: undefined, from: id, before: `${id}\0`, limit: 1 });
      return event;
    },
    insert: (event) => audit.append(event),
  };
}

/** The bytes first: a record that is there says that they are. */
function blobKeeper<T extends { readonly id: string }>(
  records: Keeper<T>,
  blobs: BlobStore,
  pictures: BlobStore,
): Keeper<T> {
  async function copyBytes(id: string): Promise<void> {
    const bytes = await pictures.read(id);
    if (bytes !== undefined) await blobs.write(id, bytes);
  }

  return {
    get: (id) => records.get(id),
    async insert(record) {
      await copyBytes(record.id).catch((error: unknown) => {
        // Bytes that an interrupted run left were in the way, and are gone now.
        if (error instanceof DuplicateKey) return copyBytes(record.id);
        throw error;
      });
      await records.insert(record);
    },
  };
}
