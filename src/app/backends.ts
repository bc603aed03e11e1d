import { existsSync } from "node:fs";
import { filesystemBlobStore } from "../adapters/filesystem/blob-store.ts";
import { httpImageService } from "../adapters/image-service/image-service.ts";
import type { Alarms } from "../adapters/sqlite/database.ts";
import * as sqliteQueues from "../adapters/sqlite/queues.ts";
import * as sqliteStores from "../adapters/sqlite/stores.ts";
import { ConfigError, type ServerConfig } from "../config/config.ts";
import type { MongodbConfig } from "../config/mongodb.ts";
import type { ServiceBusConfig } from "../config/service-bus.ts";
import { oncePerMinute } from "../helpers/once-per-minute.ts";
import type { ImageJob } from "../model/image-job.ts";
import { dueAt } from "../model/job-life.ts";
import { ownQueueName, resultQueueName } from "../model/models.ts";
import type { AccountStore } from "../ports/account-store.ts";
import type { AuditStore } from "../ports/audit-store.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { ClientStore } from "../ports/client-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { CounterStore } from "../ports/counter-store.ts";
import type { FileStore } from "../ports/file-store.ts";
import type { ImageService } from "../ports/image-service.ts";
import type { ImageStore } from "../ports/image-store.ts";
import type { JobStore } from "../ports/job-store.ts";
import type { Log } from "../ports/log.ts";
import type { Queue } from "../ports/queue.ts";
import type { SecretStore } from "../ports/secret-store.ts";
import type { SessionStore } from "../ports/session-store.ts";
import type { SignInAttemptStore } from "../ports/sign-in-attempt-store.ts";
import type { UsageStore } from "../ports/usage-store.ts";
import { embeddedPaths, prepareDataDirectory, preparePictures } from "./data-directory.ts";

export interface Stores {
  readonly accounts: AccountStore;
  readonly sessions: SessionStore;
  readonly clients: ClientStore;
  readonly audit: AuditStore;
  readonly attempts: SignInAttemptStore;
  readonly counters: CounterStore;
  readonly usage: UsageStore;
  readonly jobs: JobStore;
  readonly images: ImageStore;
  readonly files: FileStore;
  readonly blobs: BlobStore;
  readonly secrets: SecretStore;
  /** How many calls wait for the database. */
  pending(): number;
  /** Rejects when the database cannot be used; cheap. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface Queues {
  /** The queue of Darkroom's own workers. */
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

/** Whether surely no queue was ever made there. */
export function areQueuesUnused({ dataDir, serviceBus }: Pick<ServerConfig, "dataDir" | "serviceBus">): boolean {
  return serviceBus === undefined && !existsSync(embeddedPaths(dataDir).queue);
}

async function openEmbeddedStores(dataDir: string, due: (job: ImageJob) => number, log: Log): Promise<Stores> {
  prepareDataDirectory(dataDir, log);
  preparePictures(dataDir);
  const { database, pictures } = embeddedPaths(dataDir);
  const alarms = alarmsOf(log);
  const stores = await sqliteStores.openStores(database, due, alarms).catch(blame("DARKROOM_DATA_DIR"));
  return { ...stores, blobs: filesystemBlobStore(pictures, alarms.disk) };
}

export async function openMongodbStores(config: MongodbConfig, due: (job: ImageJob) => number, log: Log) {
  // The driver is loaded only where it is needed.
  const mongodb = await import("../adapters/mongodb/stores.ts");
  return mongodb.openStores(config, due, log).catch(blame(config.variable));
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

/** For who sends and reads nothing: no queue that is away holds them up. */
export function noQueues(): Queues {
  const fail = (): never => {
    throw new Error("no queue was opened");
  };
  const queue = {
    send: fail,
    consume: fail,
    consumeDeadLetters: fail,
    listDeadLetters: fail,
    redrive: fail,
    discard: fail,
  };
  return { jobQueue: queue, resultQueue: queue, queue: () => queue, ping: fail, close: async () => {} };
}

async function openServiceBusQueues(config: ServiceBusConfig, clock: Clock, log: Log): Promise<Queues> {
  // The SDK is loaded only where it is needed.
  const serviceBus = await import("../adapters/service-bus/queues.ts");
  return serviceBus.openQueues({ ...config, jobQueue: ownQueueName }, clock, log).catch(blame(config.variable));
}

async function openEmbeddedQueues(dataDir: string, clock: Clock, log: Log): Promise<Queues> {
  prepareDataDirectory(dataDir, log);
  const opening = sqliteQueues.openQueues(embeddedPaths(dataDir), clock, log, alarmsOf(log));
  const queues = await opening.catch(blame("DARKROOM_DATA_DIR"));
  return { ...queues, jobQueue: queues.queue(ownQueueName), resultQueue: queues.queue(resultQueueName) };
}

/** Turns an engine's error at opening into one of the variable that says where the engine is. */
function blame(variable: string): (error: Error) => never {
  return ({ message }) => {
    throw new ConfigError(variable, message);
  };
}

function alarmsOf(log: Log): Alarms {
  return {
    disk: oncePerMinute((err) => {
      log.error({ err }, "the disk takes nothing more: make room on it; calls that write are refused");
    }),
    lock: oncePerMinute((err) => {
      log.error({ err }, "another process keeps the database locked; calls that write are refused");
    }),
  };
}
