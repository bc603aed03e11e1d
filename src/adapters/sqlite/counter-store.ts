import { clockSkewMs } from "../../ports/clock.ts";
import type { CounterStore } from "../../ports/counter-store.ts";
import type { Database } from "./database.ts";

export function sqliteCounterStore(db: Database): CounterStore {
  return {
    async add(id, amount, now, windowMs) {
      const [row] = await db.write(addSql, id, amount, now, now - windowMs, now + clockSkewMs);
      return { id, count: row?.count as number, startedAt: row?.started_at as number };
    },
    deleteBefore: (startedAt, limit) => db.deleteFirst("counters", "started_at", "< ?", startedAt, limit),
  };
}

const isRunning = "started_at > ?4 AND started_at <= ?5";

const addSql =
  "INSERT INTO counters (id, count, started_at) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET " +
  `count = CASE WHEN ${isRunning} THEN count + ?2 ELSE ?2 END, ` +
  `started_at = CASE WHEN ${isRunning} THEN started_at ELSE ?3 END RETURNING count, started_at`;
