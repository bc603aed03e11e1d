import type { Account } from "../../model/account.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { Database } from "./database.ts";
import { is, Records } from "./records.ts";

export function mongodbAccountStore(db: Database): AccountStore {
  const accounts = new Records<Account>(db, "accounts");
  return {
    insert: (account) => accounts.insert(account),
    get: (id) => accounts.get(id),
    findByUsername: (usernameKey) => accounts.findOne({ usernameKey: is(usernameKey) }),
    findByEmail: (emailKey) => accounts.findOne({ emailKey: is(emailKey) }),
    hasAdmin: async () => (await accounts.findOne({ role: is("admin") })) !== undefined,
  };
}
