import type { Account } from "../../model/account.ts";
import { notFound } from "../../model/errors.ts";
import { isId } from "../../model/ids.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { Clock } from "../../ports/clock.ts";
import { changeRecord } from "../change-record.ts";

/** Accounts as they are read and changed: each change is one conditional write. Deleted ones do not exist. */
export class AccountRecords {
  readonly store: AccountStore;
  readonly #clock: Clock;

  constructor(store: AccountStore, clock: Clock) {
    this.store = store;
    this.#clock = clock;
  }

  async get(id: string): Promise<Account> {
    const account = isId(id) ? await this.store.get(id) : undefined;
    if (account === undefined || account.deletedAt !== null) throw notFound("user");
    return account;
  }

  change(id: string, step: (account: Account) => Account): Promise<Account> {
    return changeRecord(
      () => this.get(id),
      step,
      (account) => this.store.replace(account),
      this.#clock,
    );
  }
}
