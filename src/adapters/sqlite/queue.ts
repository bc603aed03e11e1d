import { randomUUID } from "node:crypto";
import type { Clock } from "../../ports/clock.ts";
import {
  type Consumer,
  type DeadLetter,
  type IncomingMessage,
  maxDeliveries,
  type NumberedDeadLetter,
  type Queue,
  type Settlement,
} from "../../ports/queue.ts";
import type { Bell } from "./bell.ts";
import { consumeByPolling } from "./consumer.ts";
import type { Database } from "./database.ts";
import type { Row } from "./writer.ts";

/** How long a delivered message is hidden from others unless its lock is renewed. */
const lockMs = 30_000;

/** The messages that are to be delivered, or those that were given up. */
type Part = "alive" | "dead";

interface Taken extends DeadLetter {
  readonly seq: number;
  readonly lock: string;
}

/** One named queue in the queue's file; `bell` rings in every process that has it open. */
export function sqliteQueue(
  db: Database,
  bell: Bell,
  name: string,
  clock: Clock,
  onError: (error: unknown) => void,
): Queue {
  function consume(part: Part, concurrency: number, handle: (message: Taken) => Promise<Settlement>): Consumer {
    return consumeByPolling<Taken>({
      concurrency,
      renewEveryMs: lockMs / 3,
      isWaiting: () => db.read(waitingSql[part], name, clock()).length > 0,
      take: async (limit) => {
        const lock = randomUUID();
        const now = clock();
        const rows = await db.writeAll([
          { sql: buryExhaustedSql, params: [name, now] },
          { sql: takeSql[part], params: [lock, now + lockMs, name, now, limit] },
        ]);
        return rows.map((row) => message(row, lock));
      },
      handle,
      renew: async ({ seq, lock }) => {
        await db.write("UPDATE messages SET visible_at = ? WHERE seq = ? AND lock = ?", clock() + lockMs, seq, lock);
      },
      settle: async (taken, settlement) => {
        await settle(part, taken, settlement);
        // The message was given up or put back: a consumer may wait for it.
        if (settlement.kind !== "complete") bell.ring();
      },
      onRing: (listener) => bell.onRing(listener),
      onError,
    });
  }

  async function settle(part: Part, { seq, lock, deliveryCount }: Taken, settlement: Settlement): Promise<void> {
    if (settlement.kind === "complete") {
      await db.write("DELETE FROM messages WHERE seq = ? AND lock = ?", seq, lock);
    } else if (settlement.kind === "deadLetter") {
      await bury(seq, lock, settlement.reason, settlement.description);
    } else if (part === "alive" && deliveryCount >= maxDeliveries) {
      await bury(seq, lock, "MaxDeliveryCountExceeded", `delivered ${deliveryCount} times`);
    } else {
      const sql = "UPDATE messages SET visible_at = ?, lock = NULL WHERE seq = ? AND lock = ?";
      await db.write(sql, clock() + settlement.delayMs, seq, lock);
    }
  }

  async function bury(seq: number, lock: string, reason: string, description: string): Promise<void> {
    const sql =
      "UPDATE messages SET dead_reason = ?, dead_description = ?, visible_at = ?, lock = NULL WHERE seq = ? AND lock = ?";
    await db.write(sql, reason, description, clock(), seq, lock);
  }

  return {
    async send(messages) {
      const sql = "INSERT INTO messages (queue, id, body, visible_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
      const now = clock();
      await db.writeAll(messages.map(({ id, body }) => ({ sql, params: [name, id, body, now] })));
      bell.ring();
    },
    consume: (handler, { concurrency }) =>
      consume("alive", concurrency, (message: IncomingMessage) => handler(message)),
    consumeDeadLetters: (handler) => consume("dead", 1, handler),
    async listDeadLetters(after, limit) {
      return db.read(listDeadSql, name, Number(after ?? 0), limit).map(numbered);
    },
    async redrive(numbers) {
      const back = (await db.write(redriveSql, clock(), name, JSON.stringify(numbers.map(Number)))).length;
      if (back > 0) bell.ring();
      return back;
    },
    async discard(numbers) {
      return (await db.write(discardSql, name, JSON.stringify(numbers.map(Number)))).length;
    },
  };
}

const conditions = { alive: "dead_reason IS NULL", dead: "dead_reason IS NOT NULL" } as const;

const waitingSql = {
  alive: `SELECT 1 FROM messages WHERE queue = ? AND ${conditions.alive} AND visible_at <= ? LIMIT 1`,
  dead: `SELECT 1 FROM messages WHERE queue = ? AND ${conditions.dead} AND visible_at <= ? LIMIT 1`,
} as const;

/**
 * Messages whose last receiver died without settling. The limit is a literal, the same as in the index `messages_exhausted`
 * (tables.ts): SQLite uses a partial index only for the same text.
 */
const buryExhaustedSql =
  "UPDATE messages SET dead_reason = 'MaxDeliveryCountExceeded', dead_description = 'its receivers died', lock = NULL " +
  `WHERE queue = ? AND ${conditions.alive} AND visible_at <= ? AND deliveries >= ${maxDeliveries}`;

const listDeadSql =
  "SELECT seq, id, body, deliveries, dead_reason, dead_description FROM messages " +
  `WHERE queue = ? AND ${conditions.dead} AND seq > ? ORDER BY seq LIMIT ?`;

/** Also those that a receiver holds, whose locks are then no longer good. */
const theseDead = `WHERE queue = ? AND seq IN (SELECT value FROM json_each(?)) AND ${conditions.dead} RETURNING seq`;
const redriveSql =
  "UPDATE messages SET dead_reason = NULL, dead_description = NULL, lock = NULL, deliveries = 0, visible_at = ? " +
  theseDead;
const discardSql = `DELETE FROM messages ${theseDead}`;

const takeSql = { alive: takeFrom("alive"), dead: takeFrom("dead") } as const;

function takeFrom(part: Part): string {
  return (
    "UPDATE messages SET lock = ?, visible_at = ?, deliveries = deliveries + 1 WHERE seq IN " +
    `(SELECT seq FROM messages WHERE queue = ? AND ${conditions[part]} AND visible_at <= ? ORDER BY visible_at, seq LIMIT ?) ` +
    "RETURNING seq, id, body, deliveries, dead_reason, dead_description"
  );
}

function message(row: Row, lock: string): Taken {
  return { ...deadLetter(row), seq: row.seq as number, lock };
}

function numbered(row: Row): NumberedDeadLetter {
  return { ...deadLetter(row), number: String(row.seq) };
}

function deadLetter(row: Row): DeadLetter {
  return {
    id: row.id as string,
    body: row.body as Uint8Array,
    deliveryCount: row.deliveries as number,
    reason: (row.dead_reason as string | null) ?? "",
    description: (row.dead_description as string | null) ?? "",
  };
}
