import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { Archive, NotAtRest } from "../../src/adapters/sqlite/archive.ts";
import { Database } from "../../src/adapters/sqlite/database.ts";
import { databaseMigrations } from "../../src/adapters/sqlite/tables.ts";
import { tables } from "../../src/migration/copy.ts";
import { run } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";

async function database() {
  const dataDir = scratchDirectory();
  const path = join(dataDir, "darkroom.db");
  return { dataDir, path, db: await Database.open(path, databaseMigrations) };
}

test("an archive is opened when nobody else has the database, and keeps everybody out", async () => {
  const { dataDir, path, db } = await database();
  expect(() => Archive.open(path)).toThrow(NotAtRest);
  await db.close();
  const archive = Archive.open(path);
  const refused = await run(["serve"], { DARKROOM_DATA_DIR: dataDir, PORT: "0", LOG_LEVEL: "error" }).finished;
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^darkroom: DARKROOM_DATA_DIR: .*locked/) });
  archive.close();
  await (await Database.open(path, databaseMigrations)).close();
});

test("an archive is of this version: what a newer one made may have more than is read of it", async () => {
  const { path, db } = await database();
  await db.close();
  const file = new DatabaseSync(path);
  file.exec(`PRAGMA user_version = ${databaseMigrations.length + 1}`);
  file.close();
  expect(() => Archive.open(path)).toThrow(/^was made by a newer version of Darkroom: use that one$/);
});

test("an archive has what a killed server wrote last", async () => {
  const { path, db } = await database();
  await db.write("INSERT INTO secrets (name, value) VALUES ('a', 'b')");
  const copy = join(scratchDirectory(), "darkroom.db");
  for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, copy + suffix);
  await db.close();
  const archive = Archive.open(copy);
  expect(archive.secrets()).toEqual([{ name: "a", value: "b" }]);
  archive.close();
});

test("every table is migrated but that of the counters", async () => {
  const { path, db } = await database();
  await db.close();
  const file = new DatabaseSync(path);
  const names = file.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
  file.close();
  expect(names.map(({ name }) => name).sort()).toEqual([...tables, "counters"].sort());
});
