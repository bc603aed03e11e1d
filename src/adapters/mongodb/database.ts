import { setTimeout as delay } from "node:timers/promises";
import { type Collection, type Db, type DbOptions, type Document, type MongoClient, ReadConcern } from "mongodb";
import { closedInTime } from "../../helpers/closed-in-time.ts";
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
/** How long no call has had an answer before a new client is tried, and how long between two of them. */
const awayMaxMs = 30_000;

/** One database of a MongoDB server, or of one that speaks its protocol. It is closed with its client. */
export class Database {
  readonly #createClient: () => MongoClient;
  readonly #name: string;
  readonly #log: Log;
  readonly #renewMs: number;
  readonly #breaker: CircuitBreaker;
  #client: MongoClient;
  #db: Db;
  #renewsAt = 0;

  /** Resolves once its indexes are made. Rejects when the server refuses, or cannot be reached for half a minute. */
  static async open(createClient: () => MongoClient, name: string, log: Log, renewMs = awayMaxMs): Promise<Database> {
    const database = new Database(createClient, name, log, renewMs);
    try {
      await database.#prepare();
      return database;
    } catch (error) {
      await database.close();
      throw isAway(error) ? unreachable(database.#client, error as Error) : refused(error);
    }
  }

  private constructor(createClient: () => MongoClient, name: string, log: Log, renewMs: number) {
    this.#createClient = createClient;
    this.#name = name;
    this.#log = log;
    this.#renewMs = renewMs;
    this.#breaker = new CircuitBreaker(log);
    this.#client = createClient();
    this.#db = this.#client.db(name, durability);
  }

  /** To be asked for anew for each call: its client may have been replaced. */
  collection<Schema extends Document>(name: CollectionName): Collection<Schema> {
    return this.#db.collection<Schema>(name);
  }

  /** Calls that have no answer yet. */
  get pending(): number {
    return this.#breaker.passing;
  }

  /** Every call goes through here. Rejects with StoreUnavailable within a few seconds, or with DuplicateKey. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#breaker.awayMs > this.#renewMs) void this.#renew();
    return this.#breaker.pass(work);
  }

  async close(): Promise<void> {
    this.#breaker.close();
    await closedInTime(this.#client.close());
  }

  /**
   * Replaces a client that finds no server by a new one that does. The driver (7.9) waits for ever where a connection is
   * cut while it writes to it, and then looks for servers no more.
   */
  async #renew(): Promise<void> {
    if (performance.now() < this.#renewsAt) return;
    this.#renewsAt = performance.now() + this.#renewMs;
    const fresh = this.#createClient();
    const db = fresh.db(this.#name, durability);
    const isFound = await db.command({ ping: 1 }).then(
      () => true,
      () => false,
    );
    if (!isFound || this.#breaker.isClosed) return closedInTime(fresh.close());
    const before = this.#client;
    [this.#client, this.#db] = [fresh, db];
    this.#log.warn({}, "the database answers a new client, which takes the place of the one before");
    await closedInTime(before.close());
  }

  async #prepare(): Promise<void> {
    const until = performance.now() + startMs;
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#client.connect();
        return await makeIndexes(this.#db, this.#log);
      } catch (error) {
        if (!isAway(error) || performance.now() > until) throw error;
        if (tries === 1)
          this.#log.warn({ reason: (error as Error).message }, "the database cannot be reached; waiting for it");
      }
      await delay(againMs);
    }
  }
}

function unreachable({ options }: MongoClient, { message }: Error): Error {
  const hosts = options.srvHost ?? options.hosts.join(", ");
  return new Error(`no database answers at ${hosts} (${message}); start it, or correct the address`);
}
