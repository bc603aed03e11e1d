import {
  type Account,
  metadataRule,
  nameKey,
  newPasswordRule,
  passwordRule,
  usernameRule,
  withPassword,
} from "../model/account.ts";
import { checkFields, DomainError, invalidField, invalidFields, unauthenticated } from "../model/errors.ts";
import { passwordChangedLetter } from "../model/mails.ts";
import type { UserPrincipal } from "../model/principal.ts";
import type { Passwords } from "../ports/credentials.ts";
import type { SessionStore } from "../ports/session-store.ts";
import { DuplicateKey } from "../ports/store-errors.ts";
import type { AccountRecords } from "./account-records.ts";
import type { Guessing } from "./guessing.ts";
import { checkPassword } from "./password-check.ts";
import type { Post } from "./post.ts";

interface ProfilesDeps {
  readonly accountRecords: AccountRecords;
  readonly sessions: SessionStore;
  readonly passwords: Passwords;
  readonly guessing: Guessing;
  readonly post: Post;
}

/** What users change of their own accounts. */
export class Profiles {
  readonly #deps: ProfilesDeps;

  constructor(deps: ProfilesDeps) {
    this.#deps = deps;
  }

  async rename({ account }: UserPrincipal, username: string): Promise<Account> {
    const broken = usernameRule(username);
    if (broken !== undefined) throw invalidField("username", broken);
    const names = { username, usernameKey: nameKey(username) };
    try {
      return await this.#deps.accountRecords.change(account.id, (current) => ({ ...current, ...names }));
    } catch (error) {
      throw error instanceof DuplicateKey ? taken("username", "is taken; choose another", error) : error;
    }
  }

  /** Takes the place of what was there. */
  setMetadata({ account }: UserPrincipal, metadata: Account["metadata"]): Promise<Account> {
    const broken = metadataRule(metadata);
    if (broken !== undefined) throw invalidField("data", broken);
    return this.#deps.accountRecords.change(account.id, (current) => ({ ...current, metadata }));
  }

  /** Ends the account's other sessions too. */
  async changePassword(by: UserPrincipal, address: string, old: string, wanted: string): Promise<void> {
    const { accountRecords, passwords, sessions, post } = this.#deps;
    checkFields({
      old_password: () => passwordRule(old),
      new_password: () => newPasswordRule(wanted, (text) => passwords.isCommon(text)),
    });
    await checkPassword(this.#deps, by.account, address, { password: old, field: "old_password" });
    const passwordHash = await passwords.hash(wanted);
    await accountRecords.change(by.account.id, (current) => {
      if (current.passwordHash !== by.account.passwordHash)
        throw unauthenticated("PASSWORD_WRONG", "the password was changed meanwhile");
      return withPassword(current, passwordHash);
    });
    await sessions.deleteByAccount(by.account.id, by.sessionId);
    post.send(by.account.email, passwordChangedLetter);
  }
}

export function taken(field: string, rule: string, cause: unknown): DomainError {
  const violations = [{ field, rule }];
  return new DomainError("already_exists", "ACCOUNT_EXISTS", invalidFields(violations).message, { violations, cause });
}
