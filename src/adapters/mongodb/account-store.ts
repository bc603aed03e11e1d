import type { Account } from "../../model/account.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { Database } from "./database.ts";
import { after, is, Records, startingWith } from "./records.ts";

export function mongodbAccountStore(db: Database): AccountStore {
  const accounts = new Records<Account>(db, "accounts", {
    defaults: {
      passwordReset: null,
      emailChange: null,
      metadata: {},
      sessionEpoch: 0,
      keptSessionId: null,
      deletedAt: null,
    },
  });

  return {
    insert: (account) => accounts.insert(account),
    get: (id) => accounts.get(id),
    findByRecordId: (recordId) => accounts.findOne({ recordId: is(recordId) }),
    findByUsername: (usernameKey) => accounts.findOne({ usernameKey: is(usernameKey) }),
    findByEmail: (emailKey) => accounts.findOne({ emailKey: is(emailKey) }),
    replace: (account) => accounts.replace(account, { version: is(account.version - 1) }),
    delete: (id) => accounts.delete({ _id: is(id) }),
    list: ({ by, prefix, after: last, limit }) =>
      accounts.find({ [by]: startingWith(prefix, last) }, { sort: { [by]: 1 }, limit }),
    listDeleted: (limit) => accounts.find({ deletedAt: after(0) }, { limit }),
    listAdmins: (limit) => accounts.find({ role: is("admin") }, { limit }),
  };
}
