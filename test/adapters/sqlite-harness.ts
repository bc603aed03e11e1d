import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { Bell } from "../../src/adapters/sqlite/bell.ts";
import { Database } from "../../src/adapters/sqlite/database.ts";
import { sqliteQueue } from "../../src/adapters/sqlite/queue.ts";
import { databaseMigrations, queueMigrations } from "../../src/adapters/sqlite/tables.ts";
import type { OutgoingMessage, Queue } from "../../src/ports/queue.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import type { Opened } from "../contracts/opened.ts";
import type { QueueHarness } from "../contracts/queue.ts";
import { scratchDirectory } from "../support/scratch.ts";

/** How long the queue locks a message for. */
const lockMs = 30_000;

export async function openDatabase(
  path = join(scratchDirectory(), "test.db"),
  migrations: readonly string[] = databaseMigrations,
): Promise<{ db: Database; path: string; close: () => Promise<void> }> {
  const db = await Database.open(path, migrations);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= db.close();
    return closing;
  };
  onTestFinished(close);
  return { db, path, close };
}

export async function openedStore<Store>(make: (db: Database) => Store): Promise<Opened<Store>> {
  const { db, path } = await openDatabase();
  return { store: make(db), another: async () => make((await openDatabase(path)).db) };
}

interface Process {
  readonly db: Database;
  readonly bell: Bell;
  readonly queue: Queue;
  close(): Promise<void>;
}

export interface SqliteQueueHarness extends QueueHarness {
  readonly directory: string;
  readonly errors: unknown[];
  /** Another queue in the same file. */
  openNamed(name: string): Promise<Queue>;
}

/** The queue's clock and the intervals by which it renews its locks are moved by hand; the rest is real. */
export async function sqliteQueueHarness(): Promise<SqliteQueueHarness> {
  const directory = scratchDirectory();
  const clock = movableClock();
  const errors: unknown[] = [];
  const processes: Process[] = [];
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());

  async function start(name: string): Promise<Queue> {
    const { db, close } = await openDatabase(join(directory, "queue.db"), queueMigrations);
    const onError = (error: unknown) => errors.push(error);
    const bell = new Bell(join(directory, "queue.bell"), onError);
    const queue = sqliteQueue(db, bell, name, clock, onError);
    let closed = false;
    const process = {
      db,
      bell,
      queue,
      async close() {
        if (!closed) bell.close();
        closed = true;
        await close();
      },
    };
    processes.push(process);
    onTestFinished(process.close);
    return queue;
  }

  return {
    directory,
    errors,
    unsendable: { id: "unsendable", body: "not bytes" as unknown as Uint8Array } satisfies OutgoingMessage,
    open: () => start("queue"),
    openNamed: start,
    async restart() {
      const ended = processes.splice(0);
      await Promise.all(ended.map((process) => process.close()));
      return start("queue");
    },
    async passTime(ms) {
      const step = lockMs / 6;
      for (let left = ms; left > 0; left -= step) {
        clock.advance(Math.min(step, left));
        await vi.advanceTimersByTimeAsync(Math.min(step, left));
        // Renewals are on their way to the writers: each has done them once it answers to this.
        await Promise.all(processes.map(({ db }) => db.write("SELECT 1")));
      }
    },
    async lapseLocks() {
      clock.advance(lockMs);
    },
  };
}
