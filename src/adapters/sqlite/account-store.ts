import type { Account } from "../../model/account.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { Database } from "./database.ts";

const columns = { usernameKey: "username_key", emailKey: "email_key" } as const;
/** A prefix with this behind it sorts after every text that begins with the prefix. */
const last = "\u{10FFFF}";

export function sqliteAccountStore(db: Database): AccountStore {
  function find(column: "id" | "record_id" | "username_key" | "email_key", value: string): Account | undefined {
    return db.readDocs<Account>(`SELECT doc FROM accounts WHERE ${column} = ?`, value)[0];
  }

  return {
    async insert(account) {
      const { id, recordId, usernameKey, emailKey, role } = account;
      const sql = "INSERT INTO accounts (id, record_id, username_key, email_key, role, doc) VALUES (?, ?, ?, ?, ?, ?)";
      await db.write(sql, id, recordId, usernameKey, emailKey, role, JSON.stringify(account));
    },
    get: async (id) => find("id", id),
    findByRecordId: async (recordId) => find("record_id", recordId),
    findByUsername: async (usernameKey) => find("username_key", usernameKey),
    findByEmail: async (emailKey) => find("email_key", emailKey),
    async replace(account) {
      const { id, recordId, usernameKey, emailKey, role, version } = account;
      const sql =
        "UPDATE accounts SET record_id = ?, username_key = ?, email_key = ?, role = ?, doc = ? " +
        "WHERE id = ? AND json_extract(doc, '$.version') = ? RETURNING id";
      const doc = JSON.stringify(account);
      return db.writeOne(sql, recordId, usernameKey, emailKey, role, doc, id, version - 1);
    },
    delete: (id) => db.writeOne("DELETE FROM accounts WHERE id = ? RETURNING id", id),
    async list({ by, prefix, after, limit }) {
      const column = columns[by];
      const sql =
        `SELECT doc FROM accounts WHERE ${column} >= ? AND ${column} < ? AND ${column} > ? ` +
        `ORDER BY ${column} LIMIT ?`;
      return db.readDocs<Account>(sql, prefix, prefix + last, after ?? "", limit);
    },
    async listDeleted(limit) {
      const sql = "SELECT doc FROM accounts WHERE json_extract(doc, '$.deletedAt') IS NOT NULL LIMIT ?";
      return db.readDocs<Account>(sql, limit);
    },
    listAdmins: async (limit) => db.readDocs<Account>("SELECT doc FROM accounts WHERE role = 'admin' LIMIT ?", limit),
  };
}
