import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { Database } from "../../src/adapters/sqlite/database.ts";
import { sqliteSecretStore } from "../../src/adapters/sqlite/secret-store.ts";
import { databaseMigrations } from "../../src/adapters/sqlite/tables.ts";
import type { SecretStore } from "../../src/ports/secret-store.ts";
import { scratchDirectory } from "../support/scratch.ts";

/**
 * What gives an installation's own secrets, none yet. All lie in one database, as opening one takes long: for all tests of
 * the file that asks for it, while it is loaded.
 */
export function shareSecrets(): () => SecretStore {
  const directory = scratchDirectory(afterAll);
  let db: Database;
  beforeAll(async () => {
    db = await Database.open(join(directory, "test.db"), databaseMigrations);
  });
  afterAll(() => db.close());

  return () => {
    const store = sqliteSecretStore(db);
    const installation = randomUUID();
    return {
      getOrCreate: (name, candidate) => store.getOrCreate(`${installation} ${name}`, candidate),
      replace: (name, expected, value) => store.replace(`${installation} ${name}`, expected, value),
    };
  };
}

/** With the character at `at` changed to another one. */
export function altered(text: string, at: number): string {
  const place = at < 0 ? text.length + at : at;
  return `${text.slice(0, place)}${text[place] === "A" ? "B" : "A"}${text.slice(place + 1)}`;
}
