import { setTimeout as delay } from "node:timers/promises";
import { ConfigError, type ServerConfig } from "../config/config.ts";
import { hasAdmin, prepareAdmin } from "../core/accounts/accounts.ts";
import { openPasswords } from "../crypto/passwords.ts";
import { DomainError } from "../model/errors.ts";
import type { Tls } from "../model/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Passwords } from "../ports/credentials.ts";
import { StoreUnavailable } from "../ports/store-errors.ts";
import { isUnused, openQueues, openStores, type Stores } from "./backends.ts";
import { type OnStop, type Running, startParts } from "./parts.ts";
import type { Surroundings } from "./serving.ts";

export type App = Running<{
  readonly url: string;
  /** The generated password of the first administrator on the first start; otherwise undefined. */
  readonly adminPassword: string | undefined;
  /** Uses another certificate from now on, where TLS is on. */
  renewTls(tls: Tls): void;
}>;

export interface AppDeps extends Surroundings {
  /** The machine's unless another is given. */
  readonly clock?: Clock;
  /** By hashes of the usual cost unless others are given. */
  readonly passwords?: Passwords;
}

/** How long a start is made again whose database went away once it had answered, and how long between two of them. */
const startMs = 30_000;
const againMs = 500;

/** Starts a server with everything inside; it serves when this resolves. */
export async function startServer(config: ServerConfig, deps: AppDeps): Promise<App> {
  const until = performance.now() + startMs;
  let isOpen = false;
  const onListening = (url: string) => {
    isOpen = true;
    deps.onListening?.(url);
  };
  for (;;) {
    try {
      return await startParts(deps.log, (onStop) => start(config, { ...deps, onListening }, onStop));
    } catch (error) {
      // An embedded one does not come back by itself; what was opened has been told, perhaps with a password.
      const mayPass = config.mongodb !== undefined && !isOpen && error instanceof StoreUnavailable;
      if (!mayPass || performance.now() > until) throw error;
      deps.log.warn({}, "the database went away during the start, which is made again");
    }
    await delay(againMs);
  }
}

async function start(config: ServerConfig, deps: AppDeps, onStop: OnStop) {
  const { log, clock = Date.now, passwords = openPasswords() } = deps;
  const opening = openPart("the database", openStores(config, log), onStop);
  const admin = firstAdmin(config, opening, passwords, clock);
  // Awaited last; a step before may fail first, and leave this rejection unhandled.
  admin.catch(() => {});
  const openingQueues = openPart("the queues", openQueues(config, clock, log), onStop);
  // Loading this is most of a start; the databases' threads and that of the hash have started already.
  const { serve } = await import("./serving.ts");
  const [stores, queues] = [await opening, await openingQueues];
  return serve(config, { ...deps, clock, passwords, stores, queues, admin }, onStop).catch((error: unknown) => {
    if (!(error instanceof DomainError && error.reason === "ACCOUNT_EXISTS")) throw error;
    const rule = "is taken, and nobody is an administrator yet: choose another name";
    throw new ConfigError("DARKROOM_ADMIN_USERNAME", rule);
  });
}

/** A part that is still being opened when the start fails is closed once it is open. */
function openPart<Part extends { close(): Promise<void> }>(
  part: string,
  opening: Promise<Part>,
  onStop: OnStop,
): Promise<Part> {
  const opened = opening.catch(() => undefined);
  onStop(part, async () => (await opened)?.close());
  return opening;
}

/**
 * Undefined where there is an administrator already. In a data directory that nobody has used there cannot be one, so
 * the hash of the password starts before the database is open.
 */
async function firstAdmin(config: ServerConfig, opening: Promise<Stores>, passwords: Passwords, clock: Clock) {
  if (!isUnused(config) && (await hasAdmin((await opening).accounts))) return undefined;
  return prepareAdmin(config.admin, passwords, clock).catch((error) => {
    const [broken] = error instanceof DomainError ? error.violations : [];
    throw broken === undefined ? error : new ConfigError("DARKROOM_ADMIN_PASSWORD", broken.rule);
  });
}
