import type { SecretStore } from "../../ports/secret-store.ts";
import type { Database } from "./database.ts";

export function sqliteSecretStore(db: Database): SecretStore {
  return {
    async getOrCreate(name, candidate) {
      const sql =
        "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value RETURNING value";
      const [row] = await db.write(sql, name, candidate);
      return row?.value as string;
    },
    async replace(name, expected, value) {
      const sql = "UPDATE secrets SET value = ? WHERE name = ? AND value = ? RETURNING name";
      return db.writeOne(sql, value, name, expected);
    },
  };
}
