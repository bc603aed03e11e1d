import type { Account } from "../../model/account.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";
import type { Database } from "./database.ts";
import { after, is, Records, startingWith } from "./records.ts";

const keys = ["recordId", "usernameKey", "emailKey"] as const;

export function mongodbAccountStore(db: Database): AccountStore {
  const accounts = new Records<Account>(db, "accounts", {
    later: {
      passwordReset: null,
      emailChange: null,
      metadata: {},
      sessionEpoch: 0,
      keptSessionId: null,
      deletedAt: null,
    },
  });
  async function hasTakenKey({ id, ...account }: Account): Promise<boolean> {
    const holders = keys.map((key) => accounts.findOne({ [key]: is(account[key]) }));
    return (await Promise.all(holders)).some((holder) => holder !== undefined && holder.id !== id);
  }

  return {
    insert: (account) => accounts.insert(account),
    get: (id) => accounts.get(id),
    findByRecordId: (recordId) => accounts.findOne({ recordId: is(recordId) }),
    findByUsername: (usernameKey) => accounts.findOne({ usernameKey: is(usernameKey) }),
    findByEmail: (emailKey) => accounts.findOne({ emailKey: is(emailKey) }),
    async replace(account) {
      try {
        return await accounts.replace(account, { version: is(account.version - 1) });
      } catch (error) {
        // FerretDB has no code of its own for a key that an update finds taken.
        throw (await hasTakenKey(account)) ? new DuplicateKey("a unique value is taken") : error;
      }
    },
    delete: (id) => accounts.delete({ _id: is(id) }),
    list: ({ by, prefix, after: last, limit }) =>
      accounts.find({ [by]: startingWith(prefix, last) }, { sort: { [by]: 1 }, limit }),
    listDeleted: (limit) => accounts.find({ deletedAt: after(0) }, { limit }),
    listAdmins: (limit) => accounts.find({ role: is("admin") }, { limit }),
  };
}
