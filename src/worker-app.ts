import { openQueues, type Queues } from "./backends.ts";
import { connect } from "./client/index.ts";
import { ConfigError, type WorkerConfig } from "./config.ts";
import { Health } from "./core/health.ts";
import { type HealthPort, openHealthPort } from "./http/health-port.ts";
import { startParts } from "./parts.ts";
import type { Log } from "./ports/log.ts";
import { loadEngines } from "./worker/engines/catalogue.ts";
import { JobServer } from "./worker/job-server.ts";
import { startWorker as startTakingJobs } from "./worker/worker.ts";

/** How long a stopped worker may take to finish its job, before it returns it. */
const jobGraceMs = 4000;

/** A worker that shares its queues with the server at its URL; taking jobs when it resolves. */
export function startWorker(config: WorkerConfig, log: Log): Promise<{ stop(): Promise<void> }> {
  return startParts(log, async (onStop) => {
    const queues = await openQueues(config, Date.now, log);
    onStop(queues.close);
    const server = new JobServer(connect(config.serverUrl, { pinnedCert: config.pinnedCert }), log);
    const health = healthOf(queues, server, log);
    const engines = await loadEngines(config.engines);
    const port = await openPort(config.health, health, log);
    onStop(() => port?.close());
    const worker = startTakingJobs({ ...queues, server, engines, concurrency: config.concurrency, log });
    onStop(() => {
      health.markStopping();
      return worker.stop(jobGraceMs);
    });
    return {};
  });
}

function healthOf(queues: Queues, server: JobServer, log: Log): Health {
  const backends = {
    queue: { ping: () => queues.ping(), isNeeded: true },
    server: { ping: () => server.ping(), isNeeded: true },
  };
  return new Health({ backends, clock: Date.now, log });
}

async function openPort(where: WorkerConfig["health"], health: Health, log: Log): Promise<HealthPort | undefined> {
  if (where === undefined) return undefined;
  try {
    const port = await openHealthPort(health, where);
    log.info({ port: port.address.port }, "health is told here");
    return port;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const rule = `${where.port} cannot be listened on at ${where.host} (${code}); choose another`;
    throw new ConfigError("DARKROOM_WORKER_HEALTH_PORT", rule);
  }
}
