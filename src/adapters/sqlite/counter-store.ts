import type { CounterStore } from "../../ports/counter-store.ts";
import type { Database } from "./database.ts";

export function sqliteCounterStore(db: Database): CounterStore {
  return {
    async add(id, amount, now, windowMs) {
      const [row] = await db.write(addSql, id, amount, now, now - windowMs);
      return { id, count: row?.count as number, startedAt: row?.started_at as number };
    },
    async deleteBefore(startedAt, limit) {
      const sql =
        "DELETE FROM counters WHERE id IN " +
        "(SELECT id FROM counters WHERE started_at < ? ORDER BY started_at LIMIT ?) RETURNING id";
      return (await db.write(sql, startedAt, limit)).length;
    },
  };
}

const addSql =
  "INSERT INTO counters (id, count, started_at) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET " +
  "count = CASE WHEN started_at <= ?4 THEN ?2 ELSE count + ?2 END, " +
  "started_at = CASE WHEN started_at <= ?4 THEN ?3 ELSE started_at END RETURNING count, started_at";
