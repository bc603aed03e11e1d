import { randomUUID } from "node:crypto";
import { ConfigError, type ServerConfig } from "../config/config.ts";
import { hasAdmin } from "../core/accounts/accounts.ts";
import { Audit } from "../core/audit.ts";
import { ClientImports } from "../core/imports/client-imports.ts";
import type { ImportOutcome } from "../core/imports/imports.ts";
import { UserImports } from "../core/imports/user-imports.ts";
import { openApiKeys } from "../crypto/api-keys.ts";
import { atOnce, openBcryptPool } from "../crypto/bcrypt-pool.ts";
import { openPasswords } from "../crypto/passwords.ts";
import { openRows } from "../imports/open-rows.ts";
import { openPocketbase, pocketbase, pocketbaseUser } from "../imports/pocketbase.ts";
import { relayClient } from "../imports/relay.ts";
import { type Report, reports } from "../imports/reports.ts";
import type { Row, Values } from "../imports/rows.ts";
import { supabase, supabaseUser } from "../imports/supabase.ts";
import type { Log } from "../ports/log.ts";
import { isUnused, openStores, type Stores } from "./backends.ts";

export type { Report } from "../imports/reports.ts";

export interface ImportOptions {
  readonly dryRun: boolean;
  /** The scopes of imported clients; undefined to keep those that they had. */
  readonly scopes: readonly string[] | undefined;
}

export type ImportSystem = keyof typeof systems;

interface System {
  rows(path: string): Promise<AsyncIterable<Row> | Iterable<Row>>;
  taker(base: Base): (values: Values) => Promise<ImportOutcome>;
}

type Base = ReturnType<typeof baseOf>;

const systems = {
  pocketbase: {
    rows: openPocketbase,
    taker(base) {
      const imports = new UserImports(base, pocketbase);
      return async (values) => imports.take(pocketbaseUser(values));
    },
  },
  supabase: {
    rows: openRows,
    taker(base) {
      const imports = new UserImports(base, supabase);
      return async (values) => imports.take(supabaseUser(values));
    },
  },
  relay: {
    rows: openRows,
    taker(base) {
      const imports = new ClientImports(base);
      return async (values) => imports.take(relayClient(values));
    },
  },
} as const satisfies Readonly<Record<string, System>>;

/** Imports another system's records into the configured store. Servers may run beside it. */
export async function* importFrom(
  system: ImportSystem,
  path: string,
  config: ServerConfig,
  options: ImportOptions & { readonly log: Log },
): AsyncGenerator<Report> {
  const { rows, taker } = systems[system];
  const found = await rows(path);
  if (isUnused(config)) throw notStarted(config);
  const stores = await openStores(config, options.log);
  try {
    if (!(await hasAdmin(stores.accounts))) throw notStarted(config);
    yield* reports(found, taker(baseOf(stores, options)), options.log);
  } finally {
    await stores.close();
  }
}

/**
 * The error for a store without an administrator: an imported user may have the first one's name, and a mistyped
 * location would take all records.
 */
function notStarted({ dataDir, mongodb }: ServerConfig): ConfigError {
  const rule = "has no administrator yet: start a server there once, or name the store that the servers have";
  if (mongodb === undefined) return new ConfigError("DARKROOM_DATA_DIR", `${dataDir} ${rule}`);
  return new ConfigError(mongodb.variable, `the database ${mongodb.database} ${rule}`);
}

function baseOf({ accounts, clients, audit }: Stores, { dryRun, scopes, log }: ImportOptions & { readonly log: Log }) {
  const clock = Date.now;
  const pool = openBcryptPool(atOnce.passwords);
  return {
    accounts,
    clients,
    apiKeys: openApiKeys(pool),
    passwords: openPasswords(pool),
    audit: new Audit({ audit, clock, log }),
    requestId: randomUUID(),
    clock,
    dryRun,
    scopes,
  };
}
