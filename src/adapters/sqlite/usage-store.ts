import { type DailyUsage, usageId } from "../../model/usage.ts";
import type { UsageStore } from "../../ports/usage-store.ts";
import type { Database } from "./database.ts";

export function sqliteUsageStore(db: Database): UsageStore {
  const write = (sql: string, usage: DailyUsage, ...more: number[]) =>
    db.write(sql, usage.id, usage.userId, usage.date, usage.count, JSON.stringify(usage), ...more);

  return {
    async add(day, amount, limit) {
      return (await write(addSql, { id: usageId(day), ...day, count: amount }, limit)).length === 1;
    },
    async get(id) {
      return db.readDocs<DailyUsage>("SELECT doc FROM user_daily_usage WHERE id = ?", id)[0];
    },
    async insert(usage) {
      await write("INSERT INTO user_daily_usage (id, user_id, date, count, doc) VALUES (?, ?, ?, ?, ?)", usage);
    },
    async list(userId, from) {
      const sql = "SELECT doc FROM user_daily_usage WHERE user_id = ? AND date >= ? ORDER BY date DESC";
      return db.readDocs<DailyUsage>(sql, userId, from);
    },
    deleteByUser: (userId, limit) => db.deleteFirst("user_daily_usage", "user_id", "= ?", userId, limit),
    deleteBefore: (date, limit) => db.deleteFirst("user_daily_usage", "date", "< ?", date, limit),
  };
}

const addSql =
  "INSERT INTO user_daily_usage (id, user_id, date, count, doc) SELECT ?1, ?2, ?3, ?4, ?5 WHERE ?4 <= ?6 " +
  "ON CONFLICT (id) DO UPDATE SET count = count + ?4, doc = json_set(doc, '$.count', count + ?4) " +
  "WHERE count + ?4 <= ?6 RETURNING id";
