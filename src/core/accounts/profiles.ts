import {
  type Account,
  accountExists,
  metadataRule,
  nameKey,
  newPasswordRule,
  passwordRule,
  usernameRule,
  withPassword,
} from "../../model/account.ts";
import { checkFields, DomainError } from "../../model/errors.ts";
import { passwordChangedLetter } from "../../model/mails.ts";
import type { UserPrincipal } from "../../model/principal.ts";
import { termsOf } from "../../model/surface.ts";
import type { ClientStore } from "../../ports/client-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { SessionStore } from "../../ports/session-store.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";
import type { AccountRecords } from "./account-records.ts";
import { isClientsName } from "./client-names.ts";
import type { MailQueue } from "./mail-queue.ts";
import { checkPassword, needSamePassword, type PasswordCheckDeps } from "./password-check.ts";

interface ProfilesDeps extends PasswordCheckDeps {
  readonly accountRecords: AccountRecords;
  readonly clients: Pick<ClientStore, "get">;
  readonly sessions: SessionStore;
  readonly mailQueue: MailQueue;
  readonly clock: Clock;
}

export interface ProfileUpdate {
  readonly username?: string | undefined;
  /** The old one may be left out soon after signing in by an API whose callers do not send it. */
  readonly password?: { readonly old: string | undefined; readonly wanted: string } | undefined;
  /** Merged into the stored metadata: a key that is there already gets the new value, and null deletes it. */
  readonly metadata?: Account["metadata"] | undefined;
}

type Changes = Omit<ProfileUpdate, "password"> & { readonly passwordHash?: string };

/** What users change of their own accounts. */
export class Profiles {
  readonly #deps: ProfilesDeps;

  constructor(deps: ProfilesDeps) {
    this.#deps = deps;
  }

  /** All of it in one write, or nothing. A new password ends the account's other sessions. */
  async update(by: UserPrincipal, address: string, { password, ...wanted }: ProfileUpdate): Promise<Account> {
    const { authentication, passwords, sessions, mailQueue } = this.#deps;
    checkFields({
      username: () => (wanted.username === undefined ? undefined : usernameRule(wanted.username)),
      old_password: () => (password?.old === undefined ? undefined : passwordRule(password.old)),
      new_password: () => password && newPasswordRule(password.wanted, (text) => passwords.isCommon(text)),
    });
    if (password === undefined) return this.#change(by, wanted);
    if (password.old === undefined) await this.#needFresh(by);
    else await checkPassword(this.#deps, by, address, { password: password.old, field: "old_password" });
    const passwordHash = await passwords.hash(password.wanted);
    // The hash may have waited in a queue, and the caller may have lost access meanwhile.
    await authentication.confirm(by);
    const changed = await this.#change(by, { ...wanted, passwordHash });
    mailQueue.send(by.account.email, passwordChangedLetter);
    await sessions.deleteByAccount(by.account.id, by.sessionId);
    return changed;
  }

  async #change({ account, sessionId }: UserPrincipal, wanted: Changes): Promise<Account> {
    const usernameKey = nameKey(wanted.username ?? account.username);
    if (usernameKey !== account.usernameKey && (await isClientsName(usernameKey, this.#deps.clients)))
      throw usernameTaken();
    try {
      return await this.#deps.accountRecords.change(account.id, (current) => {
        if (wanted.passwordHash !== undefined) needSamePassword(current, account);
        return changed(current, wanted, sessionId);
      });
    } catch (error) {
      throw error instanceof DuplicateKey ? usernameTaken(error) : error;
    }
  }

  async #needFresh({ sessionId }: UserPrincipal): Promise<void> {
    const { sessions, clock } = this.#deps;
    const session = await sessions.get(sessionId);
    if (session !== undefined && clock() - session.createdAt < termsOf[session.surface].freshMs) return;
    const message = "log in again, or send the current password too";
    throw new DomainError("failed_precondition", "REAUTHENTICATION_NEEDED", message);
  }
}

function usernameTaken(cause?: DuplicateKey): DomainError {
  return accountExists([{ field: "username", rule: "is taken; choose another" }], cause);
}

function changed(account: Account, { username, passwordHash, metadata: added }: Changes, sessionId: string): Account {
  const all = Object.entries({ ...account.metadata, ...added });
  const metadata = Object.fromEntries(all.filter(([, value]) => value !== null));
  checkFields({ data: () => metadataRule(metadata) });
  const secured = passwordHash === undefined ? account : withPassword(account, passwordHash, sessionId);
  const named = username === undefined ? secured : { ...secured, username, usernameKey: nameKey(username) };
  return { ...named, metadata };
}
