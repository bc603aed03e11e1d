import { openQueues, openStores, type Stores } from "./backends.ts";
import type { ServerConfig } from "./config.ts";
import { Accounts, type FirstAdmin } from "./core/accounts.ts";
import { atOnce, openBcryptPool } from "./crypto/bcrypt-pool.ts";
import { openPasswords } from "./crypto/passwords.ts";
import { type OnStop, type Running, startParts } from "./parts.ts";
import type { Clock } from "./ports/clock.ts";
import type { Surroundings } from "./serving.ts";

export type App = Running<{
  readonly url: string;
  /** Made up for the first administrator on the first start; otherwise undefined. */
  readonly adminPassword: string | undefined;
}>;

export interface AppDeps extends Surroundings {
  /** The machine's unless another is given. */
  readonly clock?: Clock;
}

/** A server with everything inside, serving when it resolves. */
export function startServer(config: ServerConfig, deps: AppDeps): Promise<App> {
  return startParts(deps.log, (onStop) => start(config, deps, onStop));
}

async function start(config: ServerConfig, { clock = Date.now, ...surroundings }: AppDeps, onStop: OnStop) {
  const { log } = surroundings;
  const stores = await openStores(config, log);
  onStop(stores.close);
  const admin = prepareAdmin(config, stores, clock);
  // It is awaited last, and what comes before may fail.
  admin.catch(() => {});
  // To load what serves takes as long as to hash a password: both at once.
  const loaded = import("./serving.ts");
  const queues = await openQueues(config, clock, log);
  onStop(queues.close);
  const { serve } = await loaded;
  return serve(config, { ...surroundings, clock, stores, queues, admin }, onStop);
}

function prepareAdmin({ admin }: ServerConfig, stores: Stores, clock: Clock): Promise<FirstAdmin | undefined> {
  const passwords = openPasswords(openBcryptPool(atOnce.passwords));
  const accounts = new Accounts({ ...stores, passwords, clock, signUpEnabled: false });
  return accounts.prepareAdmin(admin.username, admin.password);
}
