import type { ServerConfig } from "../config/config.ts";
import { type MigrationOptions, migrate } from "../migration/migrate.ts";
import { render } from "./operators/render.ts";

/** What `darkroom migrate` prints in the end. */
export async function runMigration(config: ServerConfig, options: MigrationOptions): Promise<string> {
  const moved = await migrate(config, options);
  const rows = moved.map(({ table, found, copied }) => ({ table, found, copied, there: found - copied }));
  const next = options.dryRun
    ? "Nothing was copied."
    : `All of ${config.dataDir} is in MongoDB (${config.mongodb?.database}): start servers with the same MONGODB_URI.`;
  return `${render(rows, false)}\n${next}\n`;
}
