import { connect } from "../client/index.ts";
import { ConfigError, type WorkerConfig } from "../config/config.ts";
import { namespaceOf } from "../config/service-bus.ts";
import { Health } from "../core/health.ts";
import { type HealthServer, openHealthServer } from "../http/darkroom/health-server.ts";
import type { Log } from "../ports/log.ts";
import { loadEngines } from "../worker/engines/catalogue.ts";
import { JobApi } from "../worker/job-api.ts";
import type { CertificateMessage } from "../worker/supervisor.ts";
import { takeJobs } from "../worker/worker.ts";
import { areQueuesUnused, openQueues, type Queues } from "./backends.ts";
import { type Running, startParts } from "./parts.ts";

/** How long a stopped worker may take to finish its job, before it returns it. */
const jobGraceMs = 4000;

interface Parent {
  on(event: "message", listener: (message: unknown) => void): unknown;
}

interface Deps {
  readonly log: Log;
  /**
   * The server process that started this worker and shares its queue; undefined for a worker by itself. A server with
   * TLS sends the certificate that it shows, and again when that changes.
   */
  readonly parent: Parent | undefined;
}

/** Starts a worker that shares its queues with the server at its URL; it takes jobs when this resolves. */
export function startWorker(config: WorkerConfig, { log, parent }: Deps): Promise<Running<object>> {
  return startParts(log, async (onStop) => {
    const queues = await openOwnQueues(config, log);
    onStop("the queues", queues.close);
    const server = new JobApi(connect(config.serverUrl, { pinnedCert: config.pinnedCert }), log);
    parent?.on("message", (message) => {
      const { cert } = message as CertificateMessage;
      server.moveTo(connect(config.serverUrl, { pinnedCert: cert }));
    });
    const health = healthOf(queues, server, log);
    const engines = await loadEngines(config.engines);
    const healthServer = await openHealth(config.health, health, log);
    onStop("health", () => healthServer?.close());
    const worker = takeJobs({ ...queues, server, engines, concurrency: config.concurrency, log });
    onStop("jobs", () => {
      health.markStopping();
      return worker.stop(jobGraceMs);
    });
    if (parent === undefined)
      onStop("the server that is looked for", introduce(config, [...engines.keys()], server, log));
    return {};
  });
}

/**
 * Logs the worker's server, queue and models. Looks for the server until it is ended: while there is no job, nobody
 * would notice that the server is missing.
 */
function introduce(config: WorkerConfig, models: string[], server: JobApi, log: Log): () => Promise<void> {
  const { serverUrl, serviceBus, dataDir } = config;
  const queue = serviceBus === undefined ? dataDir : namespaceOf(serviceBus);
  log.info({ server: serverUrl, queue, models }, "the worker takes jobs");
  const ending = new AbortController();
  void server.find(ending.signal);
  return async () => ending.abort();
}

async function openOwnQueues(config: WorkerConfig, log: Log): Promise<Queues> {
  const areNew = areQueuesUnused(config);
  const queues = await openQueues(config, Date.now, log);
  if (areNew) log.warn({ directory: config.dataDir }, "there was no queue in the data directory: a new one is made");
  return queues;
}

function healthOf(queues: Queues, server: JobApi, log: Log): Health {
  const backends = {
    queue: { ping: () => queues.ping(), isNeeded: true },
    server: { ping: () => server.ping(), isNeeded: true },
  };
  return new Health({ backends, clock: Date.now, log });
}

async function openHealth(where: WorkerConfig["health"], health: Health, log: Log): Promise<HealthServer | undefined> {
  if (where === undefined) return undefined;
  try {
    const server = await openHealthServer(health, where);
    log.info({ port: server.address.port }, "health is told here");
    return server;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const rule = `${where.port} cannot be listened on at ${where.host} (${code}); choose another`;
    throw new ConfigError("DARKROOM_WORKER_HEALTH_PORT", rule);
  }
}
