import { sessionEnd } from "../../model/session.ts";
import type { SessionStore } from "../../ports/session-store.ts";
import type { Database } from "./database.ts";

export function sqliteSessionStore(db: Database): SessionStore {
  return {
    async insert(session) {
      const sql = "INSERT INTO sessions (id, ends_at, version, doc) VALUES (?, ?, ?, ?)";
      await db.write(sql, session.id, sessionEnd(session), session.version, JSON.stringify(session));
    },
    async get(id) {
      const [row] = db.read("SELECT doc FROM sessions WHERE id = ?", id);
      return row && JSON.parse(row.doc as string);
    },
    async replace(session) {
      const { id, version } = session;
      const sql = "UPDATE sessions SET ends_at = ?, version = ?, doc = ? WHERE id = ? AND version = ? RETURNING id";
      const written = await db.write(sql, sessionEnd(session), version, JSON.stringify(session), id, version - 1);
      return written.length === 1;
    },
    async delete(id) {
      await db.write("DELETE FROM sessions WHERE id = ?", id);
    },
    async deleteEnded(now, limit) {
      const sql =
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ends_at <= ? ORDER BY ends_at LIMIT ?) RETURNING id";
      return (await db.write(sql, now, limit)).length;
    },
  };
}
