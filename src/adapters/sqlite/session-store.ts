import { type Session, sessionEnd } from "../../model/session.ts";
import type { SessionStore } from "../../ports/session-store.ts";
import type { Database } from "./database.ts";

/** How many are deleted at a time, so that others' writes come in between: an account may have a hundred thousand. */
const batch = 100;

export function sqliteSessionStore(db: Database): SessionStore {
  return {
    async insert(session) {
      const sql = "INSERT INTO sessions (id, account_id, created_at, ends_at, version, doc) VALUES (?, ?, ?, ?, ?, ?)";
      const { id, accountId, createdAt, version } = session;
      await db.write(sql, id, accountId, createdAt, sessionEnd(session), version, JSON.stringify(session));
    },
    async get(id) {
      return db.readDocs<Session>("SELECT doc FROM sessions WHERE id = ?", id)[0];
    },
    async replace(session) {
      const { id, version } = session;
      const sql = "UPDATE sessions SET ends_at = ?, version = ?, doc = ? WHERE id = ? AND version = ? RETURNING id";
      return db.writeOne(sql, sessionEnd(session), version, JSON.stringify(session), id, version - 1);
    },
    async delete(id) {
      await db.write("DELETE FROM sessions WHERE id = ?", id);
    },
    async listByAccount(accountId, limit) {
      const sql = "SELECT doc FROM sessions WHERE account_id = ? ORDER BY created_at DESC, id LIMIT ?";
      return db.readDocs<Session>(sql, accountId, limit);
    },
    async deleteByAccount(accountId, exceptId = "") {
      const some = "SELECT id FROM sessions WHERE account_id = ? AND id <> ? LIMIT ?";
      const sql = `DELETE FROM sessions WHERE id IN (${some}) RETURNING id`;
      const deleted: string[] = [];
      for (;;) {
        const rows = await db.write(sql, accountId, exceptId, batch);
        for (const { id } of rows) deleted.push(id as string);
        if (rows.length < batch) return deleted;
      }
    },
    touch: (id, lastUsedAt) => db.touch("sessions", id, lastUsedAt),
    deleteEnded: (now, limit) => db.deleteFirst("sessions", "ends_at", "<= ?", now, limit),
  };
}
