import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { StoreUnavailable } from "../../ports/store-errors.ts";
import { Bell } from "./bell.ts";
import { type Alarms, Database, notOpened } from "./database.ts";
import { sqliteQueue } from "./queue.ts";
import { queueMigrations } from "./tables.ts";

interface Paths {
  readonly queue: string;
  /** Tells other processes of what was written. */
  readonly bell: string;
}

/** All queues, by their names, in one file. Rejects when it or its bell cannot be opened. */
export async function openQueues(paths: Paths, clock: Clock, log: Log, alarms: Alarms) {
  // What is unavailable the alarms tell, and not at each of the tries, of which there are some in a second.
  const onError = (error: unknown) => {
    if (!(error instanceof StoreUnavailable)) log.error({ err: error }, "the queue failed; it is tried again");
  };
  const db = await Database.open(paths.queue, queueMigrations, alarms);
  try {
    const bell = new Bell(paths.bell, onError);
    return {
      queue: (name: string) => sqliteQueue(db, bell, name, clock, onError),
      ping: () => db.ping(),
      async close() {
        await db.close();
        // Writes that were under way ring the bell.
        bell.close();
      },
    };
  } catch (error) {
    await db.close();
    throw notOpened(paths.bell, error);
  }
}
