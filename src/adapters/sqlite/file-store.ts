import type { StoredFile } from "../../model/file.ts";
import type { FileStore } from "../../ports/file-store.ts";
import type { Database } from "./database.ts";

export function sqliteFileStore(db: Database): FileStore {
  const write = (sql: string, file: StoredFile) =>
    db.write(sql, file.id, file.ownerId, file.nameKey, file.expiresAt, JSON.stringify(file));

  return {
    async insert(file) {
      await write("INSERT INTO files (id, owner_id, name_key, expires_at, doc) VALUES (?, ?, ?, ?, ?)", file);
    },
    async get(id) {
      return db.readDocs<StoredFile>("SELECT doc FROM files WHERE id = ?", id)[0];
    },
    async findByNameKey(nameKey) {
      return db.readDocs<StoredFile>("SELECT doc FROM files WHERE name_key = ?", nameKey)[0];
    },
    async update(file) {
      const sql = "UPDATE files SET owner_id = ?2, name_key = ?3, expires_at = ?4, doc = ?5 WHERE id = ?1 RETURNING id";
      return (await write(sql, file)).length === 1;
    },
    async listByOwner(ownerId, limit) {
      return db.readDocs<StoredFile>("SELECT doc FROM files WHERE owner_id = ? LIMIT ?", ownerId, limit);
    },
    async expired(now, limit) {
      const sql = "SELECT doc FROM files WHERE expires_at <= ? ORDER BY expires_at LIMIT ?";
      return db.readDocs<StoredFile>(sql, now, limit);
    },
    async delete(id) {
      await db.write("DELETE FROM files WHERE id = ?", id);
    },
  };
}
