import { openQueues } from "./backends.ts";
import { connect } from "./client/index.ts";
import type { WorkerConfig } from "./config.ts";
import { once } from "./once.ts";
import type { Log } from "./ports/log.ts";
import { loadEngines } from "./worker/engines/catalogue.ts";
import { JobServer } from "./worker/job-server.ts";
import { startWorker as startTakingJobs } from "./worker/worker.ts";

/** How long a stopped worker may take to finish its job, before it returns it. */
const jobGraceMs = 4000;

/** A worker that shares its queues with the server at its URL; taking jobs when it resolves. */
export async function startWorker(config: WorkerConfig, log: Log): Promise<{ stop(): Promise<void> }> {
  const queues = await openQueues(config, Date.now, log);
  const server = new JobServer(connect(config.serverUrl, { pinnedCert: config.pinnedCert }));
  const engines = await loadEngines(config.engines);
  const worker = startTakingJobs({ ...queues, server, engines, concurrency: config.concurrency, log });
  return {
    stop: once(async () => {
      await worker.stop(jobGraceMs);
      await queues.close();
    }),
  };
}
