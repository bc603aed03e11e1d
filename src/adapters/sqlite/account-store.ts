import type { Account } from "../../model/account.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { Database } from "./database.ts";

export function sqliteAccountStore(db: Database): AccountStore {
  function find(column: "id" | "username_key" | "email_key", value: string): Account | undefined {
    const [row] = db.read(`SELECT doc FROM accounts WHERE ${column} = ?`, value);
    return row && JSON.parse(row.doc as string);
  }

  return {
    async insert(account) {
      const { id, recordId, usernameKey, emailKey, role } = account;
      const sql = "INSERT INTO accounts (id, record_id, username_key, email_key, role, doc) VALUES (?, ?, ?, ?, ?, ?)";
      await db.write(sql, id, recordId, usernameKey, emailKey, role, JSON.stringify(account));
    },
    get: async (id) => find("id", id),
    findByUsername: async (usernameKey) => find("username_key", usernameKey),
    findByEmail: async (emailKey) => find("email_key", emailKey),
    hasAdmin: async () => db.read("SELECT 1 FROM accounts WHERE role = 'admin' LIMIT 1").length > 0,
  };
}
