import { constants, existsSync } from "node:fs";
import { access } from "node:fs/promises";
import { filesystemBlobStore } from "./adapters/filesystem/blob-store.ts";
import { httpImageService } from "./adapters/image-service/image-service.ts";
import { sqliteAccountStore } from "./adapters/sqlite/account-store.ts";
import { sqliteAttemptStore } from "./adapters/sqlite/attempt-store.ts";
import { sqliteAuditStore } from "./adapters/sqlite/audit-store.ts";
import { Bell } from "./adapters/sqlite/bell.ts";
import { sqliteClientStore } from "./adapters/sqlite/client-store.ts";
import { sqliteCounterStore } from "./adapters/sqlite/counter-store.ts";
import { type Alarms, Database } from "./adapters/sqlite/database.ts";
import { sqliteFileStore } from "./adapters/sqlite/file-store.ts";
import { sqliteImageStore } from "./adapters/sqlite/image-store.ts";
import { sqliteJobStore } from "./adapters/sqlite/job-store.ts";
import { sqliteQueue } from "./adapters/sqlite/queue.ts";
import { sqliteSecretStore } from "./adapters/sqlite/secret-store.ts";
import { sqliteSessionStore } from "./adapters/sqlite/session-store.ts";
import { databaseMigrations, queueMigrations } from "./adapters/sqlite/tables.ts";
import { sqliteUsageStore } from "./adapters/sqlite/usage-store.ts";
import type { MongodbConfig } from "./config/mongodb.ts";
import type { ServiceBusConfig } from "./config/service-bus.ts";
import { ConfigError, type ServerConfig } from "./config.ts";
import { embeddedPaths, prepareDataDirectory, preparePictures } from "./data-directory.ts";
import type { ImageJob } from "./model/image-job.ts";
import { dueAt } from "./model/job-life.ts";
import { ownQueueName, resultQueueName } from "./model/models.ts";
import type { AccountStore } from "./ports/account-store.ts";
import type { AttemptStore } from "./ports/attempt-store.ts";
import type { AuditStore } from "./ports/audit-store.ts";
import type { BlobStore } from "./ports/blob-store.ts";
import type { ClientStore } from "./ports/client-store.ts";
import type { Clock } from "./ports/clock.ts";
import type { CounterStore } from "./ports/counter-store.ts";
import type { FileStore } from "./ports/file-store.ts";
import type { ImageService } from "./ports/image-service.ts";
import type { ImageStore } from "./ports/image-store.ts";
import type { JobStore } from "./ports/job-store.ts";
import type { Log } from "./ports/log.ts";
import type { Queue } from "./ports/queue.ts";
import { rarely } from "./ports/rarely.ts";
import type { SecretStore } from "./ports/secret-store.ts";
import type { SessionStore } from "./ports/session-store.ts";
import type { UsageStore } from "./ports/usage-store.ts";

export interface Stores {
  readonly accounts: AccountStore;
  readonly sessions: SessionStore;
  readonly clients: ClientStore;
  readonly audit: AuditStore;
  readonly attempts: AttemptStore;
  readonly counters: CounterStore;
  readonly usage: UsageStore;
  readonly jobs: JobStore;
  readonly images: ImageStore;
  readonly files: FileStore;
  readonly blobs: BlobStore;
  readonly secrets: SecretStore;
  /** How much waits for the database. */
  pending(): number;
  /** Rejects when the database cannot be used; cheap. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface Queues {
  /** That of Darkroom's own workers. */
  readonly jobQueue: Queue;
  readonly resultQueue: Queue;
  /** The queue of this name; Darkroom's own two as well. */
  queue(name: string): Queue;
  /** Rejects when the queues cannot be used; cheap. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export function openStores(
  config: Pick<ServerConfig, "dataDir" | "mongodb" | "keepResultMs">,
  log: Log,
): Promise<Stores> {
  const due = (job: ImageJob) => dueAt(job, config.keepResultMs);
  return config.mongodb === undefined
    ? openEmbeddedStores(config.dataDir, due, log)
    : openMongodbStores(config.mongodb, due, log);
}

/** Whether surely nobody has ever stored anything there. */
export function isUnused({ dataDir, mongodb }: Pick<ServerConfig, "dataDir" | "mongodb">): boolean {
  return mongodb === undefined && !existsSync(embeddedPaths(dataDir).database);
}

/** The same of the queues. */
export function areQueuesUnused({ dataDir, serviceBus }: Pick<ServerConfig, "dataDir" | "serviceBus">): boolean {
  return serviceBus === undefined && !existsSync(embeddedPaths(dataDir).queue);
}

async function openEmbeddedStores(dataDir: string, due: (job: ImageJob) => number, log: Log): Promise<Stores> {
  prepareDataDirectory(dataDir, log);
  preparePictures(dataDir);
  const paths = embeddedPaths(dataDir);
  const alarms = alarmsOf(log);
  const db = await openDatabase(paths.database, databaseMigrations, alarms);
  return {
    accounts: sqliteAccountStore(db),
    sessions: sqliteSessionStore(db),
    clients: sqliteClientStore(db),
    audit: sqliteAuditStore(db),
    attempts: sqliteAttemptStore(db),
    counters: sqliteCounterStore(db),
    usage: sqliteUsageStore(db),
    jobs: sqliteJobStore(db, due),
    images: sqliteImageStore(db),
    files: sqliteFileStore(db),
    blobs: filesystemBlobStore(paths.pictures, alarms.disk),
    secrets: sqliteSecretStore(db),
    pending: () => db.pending,
    ping: () => ping(db, paths.database),
    close: () => db.close(),
  };
}

export async function openMongodbStores(config: MongodbConfig, due: (job: ImageJob) => number, log: Log) {
  // The driver is loaded where it is needed alone.
  const mongodb = await import("./adapters/mongodb/stores.ts");
  return mongodb.openStores(config, due, log).catch((error: Error) => {
    throw new ConfigError(config.variable, error.message);
  });
}

/** Undefined where pictures lie in our own store. */
export function openImageService(config: ServerConfig["imageService"], log: Log): ImageService | undefined {
  if (config?.url === undefined) return undefined;
  return httpImageService({ url: config.url, key: config.key }, log);
}

export function openQueues(
  { dataDir, serviceBus }: Pick<ServerConfig, "dataDir" | "serviceBus">,
  clock: Clock,
  log: Log,
): Promise<Queues> {
  return serviceBus === undefined
    ? openEmbeddedQueues(dataDir, clock, log)
    : openServiceBusQueues(serviceBus, clock, log);
}

async function openServiceBusQueues(config: ServiceBusConfig, clock: Clock, log: Log): Promise<Queues> {
  // The SDK is loaded where it is needed alone.
  const serviceBus = await import("./adapters/service-bus/queues.ts");
  return serviceBus.openQueues({ ...config, jobQueue: ownQueueName }, clock, log).catch((error: Error) => {
    throw new ConfigError(config.variable, error.message);
  });
}

async function openEmbeddedQueues(dataDir: string, clock: Clock, log: Log): Promise<Queues> {
  prepareDataDirectory(dataDir, log);
  const paths = embeddedPaths(dataDir);
  const onError = (error: unknown) => log.error({ err: error }, "the queue failed; it is tried again");
  const db = await openDatabase(paths.queue, queueMigrations, alarmsOf(log));
  const bell = await openBell(paths.bell, onError).catch(async (error: unknown) => {
    await db.close();
    throw error;
  });
  const queue = (name: string) => sqliteQueue(db, bell, name, clock, onError);
  return {
    jobQueue: queue(ownQueueName),
    resultQueue: queue(resultQueueName),
    queue,
    ping: () => ping(db, paths.queue),
    async close() {
      await db.close();
      // Writes that were under way ring it.
      bell.close();
    },
  };
}

async function openDatabase(path: string, migrations: readonly string[], alarms: Alarms): Promise<Database> {
  try {
    return await Database.open(path, migrations, alarms);
  } catch (error) {
    throw notOpened(path, error);
  }
}

async function openBell(path: string, onError: (error: unknown) => void): Promise<Bell> {
  try {
    return new Bell(path, onError);
  } catch (error) {
    throw notOpened(path, error);
  }
}

function notOpened(path: string, error: unknown): ConfigError {
  return new ConfigError("DARKROOM_DATA_DIR", `${path} cannot be opened: ${(error as Error).message}`);
}

async function ping(db: Database, path: string): Promise<void> {
  // A file that was moved away can still be written here, and nobody else will find what is in it.
  await access(path, constants.R_OK | constants.W_OK);
  // What it is already, and a write all the same: one page, which a full disk refuses.
  await db.write("PRAGMA application_id = 0");
}

function alarmsOf(log: Log): Alarms {
  return {
    disk: rarely((err) => {
      log.error({ err }, "the disk takes nothing more: make room on it; calls that write are refused");
    }),
    lock: rarely((err) => {
      log.error({ err }, "another process keeps the database locked; calls that write are refused");
    }),
  };
}
