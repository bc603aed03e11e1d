import type { CounterStore } from "../../ports/counter-store.ts";
import type { Database } from "./database.ts";

export function sqliteCounterStore(db: Database): CounterStore {
  return {
    async add(id, amount, now, windowMs) {
      const [row] = await db.write(addSql, id, amount, now, now - windowMs);
      return { id, count: row?.count as number, startedAt: row?.started_at as number };
    },
    deleteBefore: (startedAt, limit) => db.deleteFirst("counters", "started_at", "< ?", startedAt, limit),
  };
}

const addSql =
  "INSERT INTO counters (id, count, started_at) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET " +
  "count = CASE WHEN started_at <= ?4 THEN ?2 ELSE count + ?2 END, " +
  "started_at = CASE WHEN started_at <= ?4 THEN ?3 ELSE started_at END RETURNING count, started_at";
