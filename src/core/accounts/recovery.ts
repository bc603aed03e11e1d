import { hash, randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { doAll } from "../../helpers/do-all.ts";
import {
  type Account,
  accountExists,
  emailRule,
  knownEmailRule,
  nameKey,
  newPasswordRule,
  withPassword,
} from "../../model/account.ts";
import { checkFields, DomainError } from "../../model/errors.ts";
import {
  addressTakenLetter,
  emailChangedLetter,
  emailChangeLetter,
  passwordChangedLetter,
  passwordResetLetter,
} from "../../model/mails.ts";
import type { UserPrincipal } from "../../model/principal.ts";
import { dayMs, hourMs, minuteMs } from "../../model/time.ts";
import { type Clock, isRecent } from "../../ports/clock.ts";
import type { CounterStore } from "../../ports/counter-store.ts";
import type { NamedSecrets, Secret } from "../../ports/credentials.ts";
import type { SessionStore } from "../../ports/session-store.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";
import type { AccountRecords } from "./account-records.ts";
import type { MailQueue } from "./mail-queue.ts";
import { checkPassword, needSamePassword, type PasswordCheckDeps } from "./password-check.ts";

const resetLifeMs = hourMs;
const emailChangeLifeMs = dayMs;
/**
 * How long no second reset letter is sent. Anybody may ask for one, and it replaces the token before it: this is how
 * long the owner has to use that.
 */
const resetEveryMs = 15 * minuteMs;
/** A letter to a new address is sent once in this time for an account, and to an address, whoever asks. */
const changeEveryMs = minuteMs;
/** The longest random delay before a request for a letter is handled. */
const hiddenMs = 500;

interface RecoveryDeps extends PasswordCheckDeps {
  readonly accountRecords: AccountRecords;
  readonly counters: CounterStore;
  readonly sessions: SessionStore;
  readonly passwordResets: NamedSecrets;
  readonly emailChanges: NamedSecrets;
  readonly mailQueue: MailQueue;
  /** The page that mails lead to. */
  readonly mailPage: string | undefined;
  readonly clock: Clock;
}

export interface UserToken {
  readonly token: string;
  readonly expiresAt: number;
}

/** New passwords and addresses by tokens that were mailed, or handed out by an administrator; each works once. */
export class Recovery {
  readonly #deps: RecoveryDeps;

  constructor(deps: RecoveryDeps) {
    this.#deps = deps;
  }

  /** Known and unknown addresses get the same answer before anything is looked up. */
  requestPasswordReset(email: string): void {
    checkFields({ email: () => knownEmailRule(email) });
    this.#needMail();
    const { accountRecords, mailQueue, mailPage } = this.#deps;
    const emailKey = nameKey(email);
    mailQueue.inBackground(async () => {
      // Without the delay, the work for a known address would show in the time of this answer, or of the next call's.
      await pause(randomInt(hiddenMs));
      const found = await accountRecords.store.findByEmail(emailKey);
      if (found === undefined) return;
      const { token, passwordReset } = this.#newReset(found.id);
      // Decided by the write: many may ask at once, and the address may not be the account's any more.
      const account = await accountRecords.change(found.id, (current) =>
        current.emailKey === emailKey && this.#isResetDue(current) ? { ...current, passwordReset } : current,
      );
      if (account.passwordReset === passwordReset) mailQueue.send(account.email, passwordResetLetter(token, mailPage));
    });
  }

  /** Ends all sessions and lifts all locks. */
  async resetPassword(token: string, password: string): Promise<void> {
    const { passwords, passwordResets, sessions, guessing, mailQueue } = this.#deps;
    checkFields({ new_password: () => newPasswordRule(password, (text) => passwords.isCommon(text)) });
    const known = passwordResets.read(token);
    const isGood = (account: Account) => this.#isGood(passwordResets, known?.hash, account.passwordReset);
    const found = await this.#find(known?.id, isGood);
    const passwordHash = await passwords.hash(password);
    await this.#deps.accountRecords.change(found.id, (account) => {
      if (!isGood(account)) throw tokenInvalid();
      return withPassword(account, passwordHash, null);
    });
    // What follows may fail, and the token is spent.
    mailQueue.send(found.email, passwordChangedLetter);
    await doAll([() => sessions.deleteByAccount(found.id), () => guessing.unlock(found.id)]);
  }

  /** Whether the address is taken is told to its owner alone. */
  async requestEmailChange(by: UserPrincipal, address: string, email: string, password: string): Promise<void> {
    await this.checkEmailChange(by, address, email, password);
    await this.mailEmailChange(by.account, email);
  }

  /** Rejects where the request would be refused. */
  async checkEmailChange(by: UserPrincipal, address: string, email: string, password: string): Promise<void> {
    checkFields({ email: () => emailRule(email) });
    this.#needMail();
    await checkPassword(this.#deps, by, address, { password, field: "password" });
    this.#needChangeDue(await this.#deps.accountRecords.get(by.account.id));
  }

  /**
   * Sends the letter of a request that was checked before. `account` has the password that was checked, or one that the
   * same caller has set since.
   */
  async mailEmailChange(account: Account, email: string): Promise<void> {
    const { accountRecords, mailQueue, mailPage } = this.#deps;
    const { token } = await this.#issueChange(account.id, email, account);
    mailQueue.inBackground(async () => {
      if (!(await this.#isFirstOf(email))) return;
      const isTaken = (await accountRecords.store.findByEmail(nameKey(email))) !== undefined;
      mailQueue.send(email, isTaken ? addressTakenLetter : emailChangeLetter(token, mailPage));
    });
  }

  async confirmEmailChange(token: string): Promise<Account> {
    const { emailChanges, mailQueue } = this.#deps;
    const known = emailChanges.read(token);
    const isGood = (account: Account) => this.#isGood(emailChanges, known?.hash, account.emailChange);
    const before = await this.#find(known?.id, isGood);
    try {
      const changed = await this.#deps.accountRecords.change(before.id, (account) => {
        if (account.emailChange === null || !isGood(account)) throw tokenInvalid();
        const { email } = account.emailChange;
        // A reset token that was mailed to the old address must not work any more.
        return { ...account, email, emailKey: nameKey(email), emailChange: null, passwordReset: null };
      });
      mailQueue.send(before.email, emailChangedLetter);
      return changed;
    } catch (error) {
      throw error instanceof DuplicateKey
        ? accountExists([{ field: "email", rule: "is already in use" }], error)
        : error;
    }
  }

  /** Makes a token for an administrator to hand out: for a new password, or for `email` when it is given. */
  async issue(id: string, email: string): Promise<UserToken> {
    if (email !== "") {
      checkFields({ email: () => emailRule(email) });
      return this.#issueChange(id, email);
    }
    const { token, passwordReset } = this.#newReset(id);
    await this.#deps.accountRecords.change(id, (account) => ({ ...account, passwordReset }));
    return { token, expiresAt: passwordReset.expiresAt };
  }

  #newReset(id: string) {
    const { token, hash } = this.#deps.passwordResets.issue(id);
    return { token, passwordReset: { hash, expiresAt: this.#deps.clock() + resetLifeMs } };
  }

  #isResetDue({ disabled, passwordReset }: Account): boolean {
    return !disabled && !isRecent(issuedAt(passwordReset, resetLifeMs), resetEveryMs, this.#deps.clock());
  }

  async #issueChange(id: string, email: string, checked?: Account): Promise<UserToken> {
    const expiresAt = this.#deps.clock() + emailChangeLifeMs;
    const { token, hash }: Secret = this.#deps.emailChanges.issue(id);
    await this.#deps.accountRecords.change(id, (account) => {
      if (checked !== undefined) {
        needSamePassword(account, checked);
        // Once more: many may have asked at once.
        this.#needChangeDue(account);
      }
      return { ...account, emailChange: { hash, expiresAt, email } };
    });
    return { token, expiresAt };
  }

  #needChangeDue({ emailChange }: Account): void {
    if (!isRecent(issuedAt(emailChange, emailChangeLifeMs), changeEveryMs, this.#deps.clock())) return;
    throw new DomainError("resource_exhausted", "MAILED_ALREADY", "a mail was sent just now: wait a minute", {
      retryAfterMs: changeEveryMs,
    });
  }

  /**
   * Whether no account asked for the address within `changeEveryMs`. Reset letters are counted apart: asking for
   * somebody's address must not keep them from a new password.
   */
  async #isFirstOf(email: string): Promise<boolean> {
    const { counters, clock } = this.#deps;
    // Counters outlive deleted accounts, so their ids contain a hash and no address.
    const id = `email-change ${hash("sha256", nameKey(email), "base64url")}`;
    return (await counters.add(id, 1, clock(), changeEveryMs)).count === 1;
  }

  #isGood(secrets: NamedSecrets, hash: string | undefined, stored: Account["passwordReset"]): boolean {
    if (hash === undefined || stored === null) return false;
    return secrets.matches(hash, stored.hash) && this.#deps.clock() < stored.expiresAt;
  }

  async #find(id: string | undefined, isGood: (account: Account) => boolean): Promise<Account> {
    const account = id === undefined ? undefined : await this.#deps.accountRecords.store.get(id);
    if (account === undefined || account.disabled || !isGood(account)) throw tokenInvalid();
    return account;
  }

  #needMail(): void {
    if (this.#deps.mailQueue.isSetUp) return;
    const message = "mail is not set up here: ask an administrator for a token";
    throw new DomainError("failed_precondition", "MAIL_NOT_SET_UP", message);
  }
}

/** When the token was issued; minus infinity when there is none. */
function issuedAt(token: { readonly expiresAt: number } | null, lifeMs: number): number {
  return token === null ? Number.NEGATIVE_INFINITY : token.expiresAt - lifeMs;
}

function tokenInvalid(): DomainError {
  const rule = "is unknown, spent or too old: ask for another";
  return new DomainError("invalid_argument", "TOKEN_INVALID", `token: ${rule}`, {
    violations: [{ field: "token", rule }],
  });
}
