import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Ferretdb } from "../support/ferretdb.ts";
import { Broker } from "../support/service-bus-broker/broker.ts";

/** What servers and workers share, and how it goes wrong. */
export interface Engines {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Faults by name; each is over when it resolves. */
  readonly faults: Readonly<Record<string, () => Promise<void>>>;
  /** Messages that are not done with, of both queues. */
  messages(): number;
  /** How often a message was delivered again, or somewhat fewer where it can only be looked at now and then. */
  redeliveries(): number;
  end(): Promise<void>;
}

const awayMs = 3000;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const lookEveryMs = 20;

export function embedded(dataDir: string): Engines {
  const deliveries = new Map<unknown, number>();
  const look = setInterval(() => {
    for (const { seq, count } of read("SELECT seq, deliveries AS count FROM messages WHERE deliveries > 1"))
      deliveries.set(seq, Number(count));
  }, lookEveryMs);

  function read(sql: string): Record<string, unknown>[] {
    const path = join(dataDir, "queue.db");
    if (!existsSync(path)) return [];
    const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    try {
      return db.prepare(sql).all();
    } catch {
      // Nobody has made its tables yet.
      return [];
    } finally {
      db.close();
    }
  }

  return {
    name: "the embedded engines",
    env: { DARKROOM_DATA_DIR: dataDir },
    faults: {},
    messages: () => Number(read("SELECT count(*) AS count FROM messages")[0]?.count),
    redeliveries: () => [...deliveries.values()].reduce((sum, count) => sum + count - 1, 0),
    end: async () => clearInterval(look),
  };
}

const queues = ["darkroom-jobs", "darkroom-results"];
/** Short, so that what a killed worker held comes back while the test runs. */
const lockMs = 15_000;

export async function production(dataDir: string, ferretdb: Ferretdb, database: string): Promise<Engines> {
  const broker = new Broker({ queues, lockMs });
  await broker.start();
  return {
    name: "FerretDB and a broker of Service Bus's protocol",
    env: {
      DARKROOM_DATA_DIR: dataDir,
      MONGODB_URI: ferretdb.uri,
      MONGODB_DATABASE: database,
      AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString,
    },
    faults: {
      "the broker's connections drop": async () => broker.dropConnections(),
      "the broker delivers twice": async () => {
        broker.faults.twice = !broker.faults.twice;
      },
      "the broker forgets its locks": async () => broker.expireLocks(),
      "the database stops": async () => {
        ferretdb.pause();
        await pause(awayMs);
        ferretdb.resume();
      },
    },
    redeliveries: () => queues.reduce((sum, name) => sum + broker.queue(name).redeliveries, 0),
    messages: () => queues.reduce((sum, name) => sum + broker.queue(name).size, 0),
    end: () => broker.stop(),
  };
}
