import type { ChildProcess } from "node:child_process";
import { openImageService, openQueues, openStores, type Queues, type Stores } from "./backends.ts";
import { ConfigError, type ServerConfig, serverUrl } from "./config.ts";
import { Accounts } from "./core/accounts.ts";
import { Admission } from "./core/admission.ts";
import { Audit } from "./core/audit.ts";
import { Authentication } from "./core/authentication.ts";
import { Clients } from "./core/clients.ts";
import { DeadLetters } from "./core/dead-letters.ts";
import { Dispatcher } from "./core/dispatcher.ts";
import { Guessing } from "./core/guessing.ts";
import { Health } from "./core/health.ts";
import { ImageJobs } from "./core/image-jobs.ts";
import { JobChanges } from "./core/job-changes.ts";
import { JobQueues } from "./core/job-queues.ts";
import { JobRecords } from "./core/job-records.ts";
import { Leases } from "./core/leases.ts";
import { OwnImages } from "./core/own-images.ts";
import { RateLimiter } from "./core/rate-limiter.ts";
import { recentRecords } from "./core/recent-records.ts";
import { Results } from "./core/results.ts";
import { ServiceImages } from "./core/service-images.ts";
import { Sessions } from "./core/sessions.ts";
import { Sweeper } from "./core/sweeper.ts";
import { Users } from "./core/users.ts";
import { openCredentials } from "./credentials.ts";
import { createFront } from "./http/front.ts";
import { openPort } from "./http/port.ts";
import { openRoutes } from "./http/routes.ts";
import type { Timing } from "./model/job-life.ts";
import type { ModelRoutes } from "./model/models.ts";
import { once } from "./once.ts";
import type { Log } from "./ports/log.ts";
import { rpcCors } from "./rpc/cors.ts";
import { createRpcHandler } from "./rpc/handler.ts";
import { listModels } from "./worker/engines/catalogue.ts";
import { supervise } from "./worker/supervisor.ts";

/** How long running calls may take to end once the server stops. */
const callsGraceMs = 10_000;
/** After this the worker is ended; its job's lease lapses and another attempt is made. */
const workerGraceMs = 6000;

export interface App {
  readonly url: string;
  /** Made up for the first administrator on the first start; otherwise undefined. */
  readonly adminPassword: string | undefined;
  stop(): Promise<void>;
}

export interface AppDeps {
  readonly log: Log;
  /** Forks a worker process that lives by the server at `url`; undefined for a server without one inside. */
  readonly forkWorker: ((url: string) => ChildProcess) | undefined;
}

/** A server with everything inside, serving when it resolves. What was started is stopped again when a later step fails. */
export async function startServer(config: ServerConfig, deps: AppDeps): Promise<App> {
  const started: (() => Promise<void>)[] = [];
  const stop = once(async () => {
    const onError = (error: unknown) => deps.log.error({ err: error }, "a part did not stop in order");
    for (const end of started.toReversed()) await end().catch(onError);
  });
  try {
    return { ...(await start(config, deps, (end) => void started.push(end))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  config: ServerConfig,
  { log, forkWorker }: AppDeps,
  onStop: (end: () => Promise<void>) => void,
): Promise<Omit<App, "stop">> {
  const stores = await openStores(config, log);
  onStop(stores.close);
  const queues = await openQueues(config.dataDir, Date.now, log);
  onStop(queues.close);
  const core = await compose(config, stores, queues, log);
  onStop(() => core.changes.stop());
  onStop(() => core.dispatcher.idle());

  core.sweeper.start();
  onStop(() => core.sweeper.stop());
  core.results.start();
  onStop(() => core.results.stop());

  const stopping = new AbortController();
  const routes = await openRoutes(core, log);
  onStop(routes.close);
  const rpc = createRpcHandler(core, log, stopping.signal);
  const cors = { origins: config.corsOrigins, ...rpcCors };
  const front = createFront({
    rpc,
    routes: routes.handle,
    cors,
    trusted: config.trustedProxies,
    bodyMs: config.bodyMs,
    log,
  });
  const adminPassword = await core.accounts.ensureAdmin(config.admin.username, config.admin.password);
  const port = await openPort(front, config).catch((error: NodeJS.ErrnoException) => {
    throw portError(error, config);
  });
  const url = serverUrl(config.host, port.address.port, config.tls !== undefined);
  onStop(() => port.drain(callsGraceMs));
  if (forkWorker !== undefined) {
    const worker = supervise(() => forkWorker(url), log);
    // While connections that are open live on, so that the worker can bring its job home.
    onStop(() => worker.stop(workerGraceMs));
  }
  onStop(async () => {
    core.health.stopping();
    port.stopAccepting();
    stopping.abort();
  });
  return { url, adminPassword };
}

async function compose(config: ServerConfig, stores: Stores, queues: Queues, log: Log) {
  const clock = Date.now;
  const routes = routesOf(config);
  const { keepUploadMs, keepResultMs, keepAuditMs, signUpEnabled } = config;
  const timing: Timing = { leaseMs: config.leaseMs, publishMs: 10_000, resendMs: 60_000, keepMs: keepResultMs };
  const base = {
    ...stores,
    ...recentRecords(stores, clock, log),
    ...queues,
    jobQueues: new JobQueues({ ...queues, routes }),
    routes,
    ...(await openCredentials(config, stores.secrets, clock)),
    clock,
    timing,
    log,
  };

  const changes = new JobChanges(stores.jobs, (error) => log.error({ err: error }, "watched jobs could not be read"));
  const records = new JobRecords(stores.jobs, changes);
  const service = openImageService(config.imageService, log);
  const images =
    service === undefined ? new OwnImages({ ...base, keepUploadMs }) : new ServiceImages({ ...base, service });
  const dispatcher = new Dispatcher({ ...base, records });
  const guessing = new Guessing(base);
  const accounts = new Accounts({ ...base, guessing, signUpEnabled });
  const everybody = config.authEnabled ? undefined : await accounts.ensureTestUser();
  if (everybody !== undefined) log.warn({}, "AUTHENTICATION IS OFF: whoever calls is the test user");
  const authentication = new Authentication({ ...base, everybody });
  const sessions = new Sessions({ ...base, guessing });
  const limiter = new RateLimiter(base);
  return {
    admission: new Admission({ authentication, limiter, rateLimits: config.rateLimits }),
    audit: new Audit(base),
    accounts,
    authentication,
    changes,
    clients: new Clients({ ...base, authentication }),
    deadLetters: new DeadLetters({ ...base, records, images, dispatcher }),
    dispatcher,
    health: new Health({
      ...base,
      backends: {
        database: { ping: stores.ping, isNeeded: true },
        // Without these jobs are accepted all the same, and wait.
        queue: { ping: queues.ping, isNeeded: false },
        ...(service && { image_service: { ping: () => service.ping(), isNeeded: false } }),
      },
    }),
    images,
    jobs: new ImageJobs({ ...base, records, changes, images, dispatcher, keepResultMs }),
    leases: new Leases({ ...base, records }),
    results: new Results({ ...base, records, images, keepResultMs }),
    sessions,
    signingKeys: base.signingKeys,
    sweeper: new Sweeper({ ...base, records, dispatcher, images, keepAuditMs }),
    users: new Users({ ...base, sessions, guessing }),
  };
}

function routesOf({ engines, models }: ServerConfig): ModelRoutes {
  const own = listModels(engines);
  const taken = own.find(({ name }) => models.has(name));
  if (taken === undefined) return { own, named: models, rest: undefined };
  throw new ConfigError("DARKROOM_MODELS", `${taken.name} is a model of Darkroom's own workers; take another name`);
}

function portError(error: NodeJS.ErrnoException, { host, port }: ServerConfig): Error {
  if (error.code === "EADDRINUSE")
    return new ConfigError("PORT", `${port} is taken on ${host}; choose another or stop what listens there`);
  if (error.code === "EACCES") return new ConfigError("PORT", `${port} may not be listened on by this user`);
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND") {
    return new ConfigError("HOST", `${host} is no address of this machine`);
  }
  return error;
}
