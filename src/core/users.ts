import { type Account, accountQueryRule, isEmail, nameKey, type Role } from "../model/account.ts";
import { DomainError, invalidField, notFound } from "../model/errors.ts";
import { isId } from "../model/image.ts";
import { decodeKey, encodeKey, pageOf, pageSize } from "../model/page.ts";
import type { AccountStore } from "../ports/account-store.ts";
import type { Clock } from "../ports/clock.ts";
import { changeRecord } from "./change-record.ts";
import type { Guessing } from "./guessing.ts";
import type { Sessions } from "./sessions.ts";

export interface UserPage {
  readonly users: readonly Account[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** Enough to know of another one. */
const adminsLooked = 100;

/** What administrators do with accounts. */
export class Users {
  readonly #store: AccountStore;
  readonly #sessions: Sessions;
  readonly #guessing: Guessing;
  readonly #clock: Clock;

  constructor(deps: { accounts: AccountStore; sessions: Sessions; guessing: Guessing; clock: Clock }) {
    this.#guessing = deps.guessing;
    this.#store = deps.accounts;
    this.#sessions = deps.sessions;
    this.#clock = deps.clock;
  }

  async get(id: string): Promise<Account> {
    const account = isId(id) ? await this.#store.get(id) : undefined;
    if (account === undefined) throw notFound("user");
    return account;
  }

  /** A query with an `@` looks among email addresses, any other among usernames; the page is in their order. */
  async list(wanted: { pageSize: number; pageToken: string; query: string }): Promise<UserPage> {
    const broken = accountQueryRule(wanted.query);
    if (broken !== undefined) throw invalidField("query", broken);
    const size = pageSize(wanted.pageSize);
    const by = isEmail(wanted.query) ? "emailKey" : "usernameKey";
    const after = decodeKey(wanted.pageToken);
    const found = await this.#store.list({ by, prefix: nameKey(wanted.query), after, limit: size + 1 });
    const { items: users, nextPageToken } = pageOf(found, size, (last) => encodeKey(last[by]));
    return { users, nextPageToken };
  }

  /** Disabling ends the sessions too: they do not come back with the account. */
  async setDisabled(id: string, disabled: boolean): Promise<Account> {
    const account = await this.#change(id, { disabled });
    if (disabled) await this.#sessions.revokeAll(id);
    return account;
  }

  setRole(id: string, role: Role): Promise<Account> {
    return this.#change(id, { role });
  }

  /** Lifts what failed logins have put on the account. */
  async unlock(id: string): Promise<void> {
    await this.#guessing.unlock((await this.get(id)).id);
  }

  async #change(id: string, change: Partial<Pick<Account, "disabled" | "role">>): Promise<Account> {
    const isLoss = change.disabled === true || change.role === "user";
    if (isLoss && (await this.#isLastAdmin(await this.get(id)))) {
      const message = "this is the last administrator who can sign in: make another one first";
      throw new DomainError("failed_precondition", "LAST_ADMIN", message);
    }
    return changeRecord(
      () => this.get(id),
      (account) => ({ ...account, ...change, updatedAt: this.#clock(), version: account.version + 1 }),
      (account) => this.#store.replace(account),
    );
  }

  /** Two administrators who take each other's role at the same moment are not noticed: no engine could tell in one write. */
  async #isLastAdmin({ id, role, disabled }: Account): Promise<boolean> {
    if (role !== "admin" || disabled) return false;
    const admins = await this.#store.listAdmins(adminsLooked);
    return !admins.some((admin) => admin.id !== id && !admin.disabled);
  }
}
