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
  end(): Promise<void>;
}

const awayMs = 3000;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export function embedded(dataDir: string): Engines {
  return {
    name: "the embedded engines",
    env: { DARKROOM_DATA_DIR: dataDir },
    faults: {},
    messages() {
      const db = new DatabaseSync(join(dataDir, "queue.db"), { readOnly: true });
      const row = db.prepare("SELECT count(*) AS count FROM messages").get();
      db.close();
      return Number(row?.count);
    },
    end: async () => {},
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
    messages: () => queues.reduce((sum, name) => sum + broker.queue(name).size, 0),
    end: () => broker.stop(),
  };
}
