import type { Image } from "../../model/image.ts";
import type { ImageStore } from "../../ports/image-store.ts";
import type { Database } from "./database.ts";

export function sqliteImageStore(db: Database): ImageStore {
  return {
    async insert(image) {
      const sql = "INSERT INTO images (id, owner_id, expires_at, doc) VALUES (?, ?, ?, ?)";
      await db.write(sql, image.id, image.ownerId, image.expiresAt, JSON.stringify(image));
    },
    async get(id) {
      return db.readDocs<Image>("SELECT doc FROM images WHERE id = ?", id)[0];
    },
    async update(image) {
      const sql = "UPDATE images SET owner_id = ?, expires_at = ?, doc = ? WHERE id = ? RETURNING id";
      return db.writeOne(sql, image.ownerId, image.expiresAt, JSON.stringify(image), image.id);
    },
    async adopt(image) {
      const sql =
        "UPDATE images SET owner_id = ?, expires_at = ?, doc = ? WHERE id = ? AND owner_id IS NULL RETURNING id";
      return db.writeOne(sql, image.ownerId, image.expiresAt, JSON.stringify(image), image.id);
    },
    async keepUntil(id, expiresAt, now) {
      const sql =
        "UPDATE images SET expires_at = max(expires_at, ?1), doc = json_set(doc, '$.expiresAt', max(expires_at, ?1)) " +
        "WHERE id = ?2 AND expires_at > ?3 RETURNING id";
      return db.writeOne(sql, expiresAt, id, now);
    },
    async expired(now, limit) {
      return db.readDocs<Image>("SELECT doc FROM images WHERE expires_at <= ? ORDER BY expires_at LIMIT ?", now, limit);
    },
    async listByOwner(ownerId, limit) {
      return db.readDocs<Image>("SELECT doc FROM images WHERE owner_id = ? LIMIT ?", ownerId, limit);
    },
    async delete(id) {
      await db.write("DELETE FROM images WHERE id = ?", id);
    },
  };
}
