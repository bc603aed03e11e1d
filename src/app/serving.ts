import type { ChildProcess } from "node:child_process";
import { ConfigError, type ServerConfig, serverUrl } from "../config/config.ts";
import type { FirstAdmin } from "../core/accounts/accounts.ts";
import { createFront } from "../http/front.ts";
import { createPressure, type Pressure } from "../http/overload/pressure.ts";
import { createShedding } from "../http/overload/shedding.ts";
import { refusePagesElsewhere } from "../http/pages-elsewhere.ts";
import { openRoutes } from "../http/routes.ts";
import { warnOfExpiry } from "../http/server/certificate-expiry.ts";
import { connectionsWithin, openFilesMax } from "../http/server/connections.ts";
import { limits, openHttpServer } from "../http/server/server.ts";
import type { Tls } from "../model/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Passwords } from "../ports/credentials.ts";
import type { Log } from "../ports/log.ts";
import { toConnectError } from "../rpc/errors.ts";
import { createRpcHandler } from "../rpc/handler.ts";
import { exposedHeaders } from "../rpc/server/server.ts";
import { supervise } from "../worker/supervisor.ts";
import type { Queues, Stores } from "./backends.ts";
import { compose } from "./compose.ts";
import { collectWhenIdle } from "./idle.ts";
import type { OnStop } from "./parts.ts";

/** How long running calls may take to end once the server stops. */
const callsGraceMs = 10_000;
/** After this time the worker is ended; its job's lease lapses and another attempt is made. */
const workerGraceMs = 6000;

export interface Surroundings {
  readonly log: Log;
  /** Forks a worker process for the server at `url`; undefined for a server without a worker. */
  readonly forkWorker: ((url: string) => ChildProcess) | undefined;
  /** Called as soon as calls are answered; the first administrator's generated password may come later. */
  readonly onListening?: (url: string) => void;
  /** The pressure of the event loop and the database, unless another is given. */
  readonly pressure?: Pressure;
}

interface Deps extends Surroundings {
  readonly clock: Clock;
  readonly passwords: Passwords;
  readonly stores: Stores;
  readonly queues: Queues;
  /** The first administrator, who is still being prepared. */
  readonly admin: Promise<FirstAdmin | undefined>;
}

/** Serves on the stores and queues: everything from the use cases to the port. */
export async function serve(config: ServerConfig, deps: Deps, onStop: OnStop) {
  const { stores, queues, log, clock, forkWorker, onListening, pressure } = deps;
  const core = await compose(config, stores, queues, { ...deps, onStop });

  core.sweeper.start();
  onStop("the sweeper", () => core.sweeper.stop());
  core.results.start();
  onStop("the results", () => core.results.stop());
  core.usage.start();
  onStop("what was counted of usage", () => core.usage.stop());

  const stopping = new AbortController();
  const routes = await openRoutes(core, log);
  onStop("the routes", routes.close);
  const rpc = createRpcHandler(core, { stopping: stopping.signal, fast: config.fastRpc, log });
  const isTooMuch = pressure ?? createPressure({ waitMaxMs: config.waitMaxMs, pending: stores.pending });
  const front = createFront({
    rpc,
    routes: routes.handle,
    cors: { origins: config.corsOrigins, exposedHeaders },
    trusted: config.trustedProxies,
    ...(config.isForThisMachine && { refusePage: refusePagesElsewhere(config.corsOrigins) }),
    shed: createShedding({
      isTooMuch,
      uploadsMax: config.uploadsMax,
      toWire: (refusal) => toConnectError(refusal, log, ""),
      log,
    }),
    callsMax: limits.callsMax,
    bodyMs: config.bodyMs,
    log,
  });
  const isPasswordGiven = config.admin.password !== undefined;
  // Whoever configured the password may log in at once. A generated one is unknown before it is shown, which needs a
  // port.
  if (isPasswordGiven) await core.accounts.addAdmin(deps.admin);
  const connectionsMax = connectionsWithin(openFilesMax(), limits.connectionsMax);
  const port = await openHttpServer(front, { ...config, connectionsMax }).catch((error: NodeJS.ErrnoException) => {
    throw portError(error, config);
  });
  const adding = isPasswordGiven ? undefined : core.accounts.addAdmin(deps.admin);
  const endCollections = collectWhenIdle();
  onStop("collections of garbage", async () => endCollections());
  let { tls } = config;
  const endWarnings = warnOfExpiry(() => tls?.cert, clock, log);
  onStop("warnings of expiry", async () => endWarnings());
  const url = serverUrl(config.host, port.address.port, tls !== undefined);
  onStop("calls that run", () => port.drain(callsGraceMs));
  const worker =
    forkWorker &&
    supervise(
      () => forkWorker(url),
      log,
      () => tls,
    );
  // Open connections live on meanwhile, so that the worker can report its job.
  onStop("the worker", () => worker?.stop(workerGraceMs));
  onStop("the port", async () => {
    core.health.markStopping();
    port.stopAccepting();
    stopping.abort();
  });
  onListening?.(url);
  const renewTls = (renewed: Tls) => {
    tls = renewed;
    port.renewTls(renewed);
    worker?.tellCertificate();
  };
  return { url, adminPassword: await adding, renewTls };
}

function portError(error: NodeJS.ErrnoException, { host, port }: ServerConfig): Error {
  if (error.code === "EADDRINUSE")
    return new ConfigError("PORT", `${port} is taken on ${host}; choose another or stop what listens there`);
  if (error.code === "EACCES")
    return new ConfigError("PORT", `${port} may not be listened on by this user; choose one above 1023`);
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND") {
    return new ConfigError("HOST", `${host} is no address of this machine`);
  }
  return error;
}
