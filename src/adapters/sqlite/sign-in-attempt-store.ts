import type { SignInAttempts } from "../../model/guessing.ts";
import type { SignInAttemptStore } from "../../ports/sign-in-attempt-store.ts";
import type { Database } from "./database.ts";

export function sqliteSignInAttemptStore(db: Database): SignInAttemptStore {
  return {
    async get(id) {
      return db.readDocs<SignInAttempts>("SELECT doc FROM attempts WHERE id = ?", id)[0];
    },
    async insert(attempts) {
      const { id, lastAt, version } = attempts;
      const sql = "INSERT INTO attempts (id, last_at, version, doc) VALUES (?, ?, ?, ?)";
      await db.write(sql, id, lastAt, version, JSON.stringify(attempts));
    },
    async replace(attempts) {
      const { id, lastAt, version } = attempts;
      const sql = "UPDATE attempts SET last_at = ?, version = ?, doc = ? WHERE id = ? AND version = ? RETURNING id";
      return db.writeOne(sql, lastAt, version, JSON.stringify(attempts), id, version - 1);
    },
    async delete(id) {
      await db.write("DELETE FROM attempts WHERE id = ?", id);
    },
    deleteBefore: (lastAt, limit) => db.deleteFirst("attempts", "last_at", "< ?", lastAt, limit),
  };
}
