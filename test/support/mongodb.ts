import { randomBytes } from "node:crypto";
import { MongoClient } from "mongodb";
import { afterAll, describe } from "vitest";
import { describeOnFerretdb } from "./ferretdb.ts";

export interface TestMongodb {
  readonly uri: string;
  /** For looking at what is stored, and for making room; not what is tested. */
  readonly client: MongoClient;
  /** The name of a database that is not there yet, and is dropped in the end. */
  newDatabase(): string;
}

/** Tests on the server that MONGODB_TEST_URI names, or on FerretDB. */
export function describeOnMongodb(name: string, tests: (mongodb: TestMongodb) => void | Promise<void>): void {
  const uri = process.env.MONGODB_TEST_URI;
  if (uri === undefined) describeOnFerretdb(name, (ferretdb) => tests(openMongodb(ferretdb.uri)));
  else describe(name, () => tests(openMongodb(uri)));
}

function openMongodb(uri: string): TestMongodb {
  const client = new MongoClient(uri);
  const databases: string[] = [];
  afterAll(async () => {
    for (const name of databases) await client.db(name).dropDatabase();
    await client.close();
  });
  return {
    uri,
    client,
    newDatabase() {
      const name = `darkroom-test-${randomBytes(6).toString("hex")}`;
      databases.push(name);
      return name;
    },
  };
}
