import { type Collection, type Db, type IndexDescription, MongoServerError } from "mongodb";
import type { Log } from "../../ports/log.ts";
import { collections } from "./collections.ts";
import { isAway } from "./errors.ts";

const namespaceNotFound = 26;

/** Makes the indexes that are missing. Any number of processes may do so at once. */
export async function makeIndexes(db: Db, log: Log): Promise<void> {
  let refusal: string | undefined;
  // One collection after another: a small server has its hands full with each.
  for (const [name, indexes] of Object.entries(collections))
    refusal = (await makeFor(db.collection(name), indexes)) ?? refusal;
  if (refusal !== undefined) log.info({ reason: refusal }, "the database deletes nothing by itself; the sweeper does");
}

/** Resolves to why the server will not delete what has expired, if it will not. */
async function makeFor(collection: Collection, indexes: readonly IndexDescription[]): Promise<string | undefined> {
  const names = await namesOf(collection);
  let refusal: string | undefined;
  // One index a command: not every server takes a command in which some indexes exist and some do not.
  for (const index of indexes.filter(({ name }) => !names.has(name ?? ""))) {
    try {
      await collection.createIndexes([index]);
    } catch (error) {
      if (isAway(error) || index.expireAfterSeconds === undefined) throw error;
      refusal = (error as Error).message;
    }
  }
  return refusal;
}

async function namesOf(collection: Collection): Promise<ReadonlySet<string>> {
  try {
    return new Set((await collection.indexes()).map(({ name }) => name ?? ""));
  } catch (error) {
    if (error instanceof MongoServerError && error.code === namespaceNotFound) return new Set();
    throw error;
  }
}
