import { existsSync } from "node:fs";
import { filesystemBlobStore } from "../adapters/filesystem/blob-store.ts";
import { Archive, NotAtRest } from "../adapters/sqlite/archive.ts";
import { openMongodbStores } from "../app/backends.ts";
import { embeddedPaths } from "../app/data-directory.ts";
import { ConfigError, type ServerConfig } from "../config/config.ts";
import { dueAt } from "../model/job-life.ts";
import type { Log } from "../ports/log.ts";
import { copyAll, foreign, type Moved, retry, type Target, tables } from "./copy.ts";

export interface MigrationOptions {
  /** Only tells what there would be to copy. */
  readonly dryRun: boolean;
  readonly log: Log;
}

/**
 * Copies what a stopped server has in its data directory to MongoDB, where another server goes on with it. It may be
 * interrupted and repeated: a record that is there already is left, one that differs ends it. The directory stays as it was.
 */
export async function migrate(config: ServerConfig, { dryRun, log }: MigrationOptions): Promise<Moved[]> {
  const { dataDir, mongodb, keepResultMs } = config;
  if (mongodb === undefined) throw new ConfigError("MONGODB_URI", "must be the database to copy to");
  const from = openArchive(dataDir);
  try {
    const to = await openMongodbStores(mongodb, (job) => dueAt(job, keepResultMs), log);
    try {
      await retry(() => refuseOthers(from, to));
      return await (dryRun
        ? compare(from, to)
        : copyAll(from, to, filesystemBlobStore(embeddedPaths(dataDir).pictures), log));
    } finally {
      await to.close();
    }
  } finally {
    from.close();
  }
}

function openArchive(dataDir: string): Archive {
  const { database } = embeddedPaths(dataDir);
  if (!existsSync(database)) throw new ConfigError("DARKROOM_DATA_DIR", `${database} is not there`);
  try {
    return Archive.open(database);
  } catch (error) {
    if (error instanceof NotAtRest) throw new ConfigError("DARKROOM_DATA_DIR", `${database} ${error.message}`);
    throw error;
  }
}

/** Keys are the first thing copied, and no two installations share one: they tell whose a database is. */
async function refuseOthers(from: Archive, to: Target): Promise<void> {
  const counts = await Promise.all(tables.map((table) => to.count(table)));
  const isThere = from.secrets().map(({ name, value }) => to.secrets.replace(name, value, value));
  const isOurs = (await Promise.all(isThere)).includes(true);
  if (!isOurs && counts.some((count) => count > 0)) throw foreign("records of another installation");
}

function compare(from: Archive, to: Target): Promise<Moved[]> {
  return Promise.all(
    tables.map(async (table) => {
      const found = from.count(table);
      return { table, found, copied: Math.max(0, found - (await retry(() => to.count(table)))) };
    }),
  );
}
