import { setTimeout as delay } from "node:timers/promises";
import { type Collection, type Db, type DbOptions, type Document, type MongoClient, ReadConcern } from "mongodb";
import { inTime } from "../../helpers/in-time.ts";
import type { Log } from "../../ports/log.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import type { CollectionName } from "./collections.ts";
import { isAway, refused } from "./errors.ts";
import { makeIndexes } from "./indexes.ts";

/** What was acknowledged survives the loss of any one server, and what was read is never taken back. No URI changes it. */
const durability: DbOptions = {
  writeConcern: { w: "majority", journal: true, wtimeoutMS: 2000 },
  readConcern: new ReadConcern("majority"),
  readPreference: "primary",
};

/** How long a start waits for a database that is away, and how long between two tries. */
const startMs = 30_000;
const againMs = 500;
const closeMs = 2000;

/** One database of a MongoDB server, or of one that speaks its protocol. It is closed with its client. */
export class Database {
  readonly #client: MongoClient;
  readonly #db: Db;
  readonly #breaker: CircuitBreaker;

  /** Resolves once its indexes are made. Rejects when the server refuses, or cannot be reached for half a minute. */
  static async open(client: MongoClient, name: string, log: Log): Promise<Database> {
    const database = new Database(client, name, log);
    try {
      await database.#prepare(log);
      return database;
    } catch (error) {
      await database.close();
      throw isAway(error) ? unreachable(client, error as Error) : refused(error);
    }
  }

  private constructor(client: MongoClient, name: string, log: Log) {
    this.#client = client;
    this.#db = client.db(name, durability);
    this.#breaker = new CircuitBreaker(log);
  }

  collection<Schema extends Document>(name: CollectionName): Collection<Schema> {
    return this.#db.collection<Schema>(name);
  }

  /** Calls that have no answer yet. */
  get pending(): number {
    return this.#breaker.passing;
  }

  /** Every call goes through here. Rejects with StoreUnavailable within a few seconds, or with DuplicateKey. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#breaker.pass(work);
  }

  async close(): Promise<void> {
    this.#breaker.close();
    // It says goodbye to the server, which may be away.
    await inTime(closeMs, this.#client.close()).catch(() => {});
  }

  async #prepare(log: Log): Promise<void> {
    const until = performance.now() + startMs;
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#client.connect();
        return await makeIndexes(this.#db, log);
      } catch (error) {
        if (!isAway(error) || performance.now() > until) throw error;
        if (tries === 1)
          log.warn({ reason: (error as Error).message }, "the database cannot be reached; waiting for it");
      }
      await delay(againMs);
    }
  }
}

function unreachable({ options }: MongoClient, { message }: Error): Error {
  const hosts = options.srvHost ?? options.hosts.join(", ");
  return new Error(`no database answers at ${hosts} (${message}); start it, or correct the address`);
}
