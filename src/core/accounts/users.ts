import { type Account, accountQueryRule, isEmail, nameKey, type Role, shut } from "../../model/account.ts";
import { checkFields } from "../../model/errors.ts";
import { decodeKey, encodeKey, type Page, pageOf, pageSize } from "../../model/page.ts";
import type { AccountRecords } from "./account-records.ts";
import type { Guessing } from "./guessing.ts";
import { keepAnAdmin } from "./last-admin.ts";
import type { Sessions } from "./sessions.ts";

interface UsersDeps {
  readonly accountRecords: AccountRecords;
  readonly sessions: Sessions;
  readonly guessing: Guessing;
}

/** What administrators do with accounts. */
export class Users {
  readonly #deps: UsersDeps;

  constructor(deps: UsersDeps) {
    this.#deps = deps;
  }

  get(id: string): Promise<Account> {
    return this.#deps.accountRecords.get(id);
  }

  /** A query with an `@` looks among email addresses, any other among usernames; the page is in their order. */
  async list(wanted: { pageSize: number; pageToken: string; query: string }): Promise<Page<Account>> {
    checkFields({ query: () => accountQueryRule(wanted.query) });
    const size = pageSize(wanted.pageSize);
    const by = isEmail(wanted.query) ? "emailKey" : "usernameKey";
    const after = decodeKey(wanted.pageToken);
    const { store } = this.#deps.accountRecords;
    const found = await store.list({ by, prefix: nameKey(wanted.query), after, limit: size + 1 });
    const { items, nextPageToken } = pageOf(found, size, (last) => encodeKey(last[by]));
    return { items: items.filter(({ deletedAt }) => deletedAt === null), nextPageToken };
  }

  /** Disabling ends the sessions and spends the tokens too: they do not come back with the account. */
  async setDisabled(id: string, disabled: boolean): Promise<Account> {
    const step = (current: Account) => ({ ...(disabled ? shut(current) : current), disabled });
    const account = await this.#change(id, disabled, step);
    if (disabled) await this.#deps.sessions.revokeAll(id);
    return account;
  }

  setRole(id: string, role: Role): Promise<Account> {
    return this.#change(id, role === "user", (current) => ({ ...current, role }));
  }

  /** Lifts the delays and locks that failed logins have put on the account. */
  async unlock(id: string): Promise<void> {
    await this.#deps.guessing.unlock((await this.get(id)).id);
  }

  async #change(id: string, isLoss: boolean, step: (account: Account) => Account): Promise<Account> {
    const { accountRecords } = this.#deps;
    if (isLoss) await keepAnAdmin(accountRecords.store, await this.get(id));
    return accountRecords.change(id, step);
  }
}
