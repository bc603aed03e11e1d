import type { CommandStartedEvent, Document } from "mongodb";
import { afterAll } from "vitest";
import { createClient } from "../../src/adapters/mongodb/client.ts";
import { collections } from "../../src/adapters/mongodb/collections.ts";
import { Database } from "../../src/adapters/mongodb/database.ts";
import { createLog } from "../../src/log/log.ts";
import type { Log } from "../../src/ports/log.ts";
import type { Opened } from "../contracts/opened.ts";
import type { TestMongodb } from "../support/mongodb.ts";

/** Closed when the tests of the file end. */
export async function openDatabase(
  { uri }: Pick<TestMongodb, "uri">,
  name: string,
  { log = createLog("silent") as Log, onCommand = (_: Document): void => {} } = {},
): Promise<Database> {
  const connect = () =>
    createClient(uri, { monitorCommands: true }).on("commandStarted", ({ command }: CommandStartedEvent) =>
      onCommand(command),
    );
  const database = await Database.open(connect, name, log);
  afterAll(() => database.close());
  return database;
}

export interface Suite {
  readonly name: string;
  /** Every command of the stores so far. */
  readonly commands: readonly Document[];
  open<Store>(make: (db: Database) => Store): Promise<Opened<Store>>;
}

/** One database for a file's tests, seen by two processes, and emptied for each test. */
export async function openSuite(mongodb: TestMongodb): Promise<Suite> {
  const name = mongodb.newDatabase();
  const commands: Document[] = [];
  const onCommand = (command: Document) => void commands.push(command);
  const here = await openDatabase(mongodb, name, { onCommand });
  const there = await openDatabase(mongodb, name, { onCommand });
  commands.splice(0);
  // Some tests store what ended long ago: no server may delete it meanwhile.
  for (const purged of ["sessions", "jobs"]) {
    await mongodb.client
      .db(name)
      .collection(purged)
      .dropIndex("purgeAt_1")
      .catch(() => {});
  }

  async function empty(): Promise<void> {
    const db = mongodb.client.db(name);
    for (const collection of Object.keys(collections)) await db.collection(collection).deleteMany({});
  }

  return {
    name,
    commands,
    async open(make) {
      await empty();
      return { store: make(here), another: async () => make(there) };
    },
  };
}
