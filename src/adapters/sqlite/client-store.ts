import type { Client } from "../../model/client.ts";
import type { ClientStore } from "../../ports/client-store.ts";
import type { Database } from "./database.ts";

export function sqliteClientStore(db: Database): ClientStore {
  return {
    async insert(client) {
      const sql = "INSERT INTO clients (id, created_at, version, doc) VALUES (?, ?, ?, ?)";
      await db.write(sql, client.id, client.createdAt, client.version, JSON.stringify(client));
    },
    async get(id) {
      return db.readDocs<Client>("SELECT doc FROM clients WHERE id = ?", id)[0];
    },
    async replace(client) {
      const sql = "UPDATE clients SET version = ?, doc = ? WHERE id = ? AND version = ? RETURNING id";
      const { id, version } = client;
      return db.writeOne(sql, version, JSON.stringify(client), id, version - 1);
    },
    delete: (id) => db.writeOne("DELETE FROM clients WHERE id = ? RETURNING id", id),
    async list(after, limit) {
      const order = "ORDER BY created_at DESC, id DESC LIMIT ?";
      if (after === undefined) return db.readDocs<Client>(`SELECT doc FROM clients ${order}`, limit);
      const sql = `SELECT doc FROM clients WHERE (created_at, id) < (?, ?) ${order}`;
      return db.readDocs<Client>(sql, after.createdAt, after.id, limit);
    },
    touch: (id, lastUsedAt) => db.touch("clients", id, lastUsedAt),
  };
}
