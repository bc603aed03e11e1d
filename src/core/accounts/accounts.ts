import { randomBytes, randomUUID } from "node:crypto";
import { randomId } from "../../helpers/random-id.ts";
import {
  type Account,
  accountExists,
  emailRule,
  metadataRule,
  nameKey,
  newAccount,
  newPasswordRule,
  type Role,
  recordIdLength,
  recordIdRule,
  usernameRule,
} from "../../model/account.ts";
import { brokenFields, checkFields, DomainError, type FieldChecks, type FieldViolation } from "../../model/errors.ts";
import type { Principal } from "../../model/principal.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { ClientStore } from "../../ports/client-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Passwords } from "../../ports/credentials.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";
import type { Authentication } from "../admission/authentication.ts";
import { isClientsName } from "./client-names.ts";

export interface NewAccount {
  /** Made up when empty; then the email is required. */
  readonly username: string;
  readonly email: string;
  readonly password: string;
  /** Made up unless it is given. */
  readonly recordId?: string | undefined;
  readonly metadata?: Account["metadata"];
}

type Names = Pick<Account, "usernameKey" | "emailKey" | "recordId">;

export interface FirstAdmin {
  readonly account: Account;
  /** The generated password; undefined where one was configured. */
  readonly madeUp: string | undefined;
}

export async function hasAdmin(store: AccountStore): Promise<boolean> {
  return (await store.listAdmins(1)).length > 0;
}

/** Needs no store, so that it can run beside the rest of a start: hashing the password takes as long as all of that. */
export async function prepareAdmin(
  { username, password }: { readonly username: string; readonly password: string | undefined },
  passwords: Passwords,
  clock: Clock,
): Promise<FirstAdmin> {
  const madeUp = password === undefined ? randomBytes(18).toString("base64url") : undefined;
  const wanted = { username, email: "", password: password ?? madeUp ?? "" };
  // A generated password breaks no rule, and checking it against the common ones would take longer than all the rest.
  if (madeUp === undefined) checkFields(checksOf(wanted, passwords));
  const passwordHash = await passwords.hash(wanted.password);
  return { account: composed(wanted, passwordHash, "admin", clock()), madeUp };
}

interface AccountsDeps {
  readonly authentication: Pick<Authentication, "confirm">;
  readonly accounts: AccountStore;
  readonly clients: Pick<ClientStore, "get">;
  readonly passwords: Passwords;
  readonly clock: Clock;
  readonly signUpEnabled: boolean;
}

export class Accounts {
  readonly #deps: AccountsDeps;
  #firstAdmin: Promise<unknown> | undefined;

  constructor(deps: AccountsDeps) {
    this.#deps = deps;
  }

  get isSignUpOpen(): boolean {
    return this.#deps.signUpEnabled;
  }

  async signUp(wanted: NewAccount): Promise<Account> {
    this.#needSignUp();
    return this.create(wanted, "user", undefined);
  }

  /** Everything for which the sign-up would be refused, names that are taken included. */
  async reviewSignUp(wanted: NewAccount): Promise<readonly FieldViolation[]> {
    this.#needSignUp();
    const { username, email, recordId = "" } = wanted;
    const taken = await this.#takenNames({ usernameKey: nameKey(username), emailKey: nameKey(email), recordId });
    return [...brokenFields(checksOf(wanted, this.#deps.passwords)), ...taken];
  }

  #needSignUp(): void {
    if (this.isSignUpOpen) return;
    const message = "sign-up is closed here: ask an administrator for an account";
    throw new DomainError("failed_precondition", "SIGNUP_DISABLED", message);
  }

  /**
   * Resolves to the password when it was generated, the only time that anybody can read it; otherwise to undefined.
   * Accounts that are created meanwhile wait, so that none takes the name.
   */
  addAdmin(prepared: Promise<FirstAdmin | undefined>): Promise<string | undefined> {
    const adding = this.#addAdmin(prepared);
    this.#firstAdmin = adding;
    return adding;
  }

  async #addAdmin(prepared: Promise<FirstAdmin | undefined>): Promise<string | undefined> {
    const admin = await prepared;
    if (admin === undefined) return undefined;
    try {
      await this.#insert(admin.account);
    } catch (error) {
      const { accounts } = this.#deps;
      // Our own, whose answer was lost: nobody else can tell its password.
      if ((await accounts.get(admin.account.id)) !== undefined) return admin.madeUp;
      // Another process that starts at the same moment made it.
      if (await hasAdmin(accounts)) return undefined;
      throw error;
    }
    return admin.madeUp;
  }

  /** Works where sign-up is closed too. `by` is the administrator who asks; undefined for an operator or a sign-up. */
  async create(wanted: NewAccount, role: Role, by: Principal | undefined): Promise<Account> {
    const { authentication, passwords, clock } = this.#deps;
    checkFields(checksOf(wanted, passwords));
    const passwordHash = await passwords.hash(wanted.password);
    await this.#firstAdmin;
    // The hash may have waited in a queue, and `by` may have lost access meanwhile.
    if (by !== undefined) await authentication.confirm(by);
    return this.#insert(composed(wanted, passwordHash, role, clock()));
  }

  async #insert(account: Account): Promise<Account> {
    if (await isClientsName(account.usernameKey, this.#deps.clients)) throw await this.#taken(account);
    try {
      await this.#deps.accounts.insert(account);
    } catch (error) {
      throw error instanceof DuplicateKey ? await this.#taken(account, error) : error;
    }
    return account;
  }

  async #taken(account: Account, cause?: DuplicateKey): Promise<DomainError> {
    return accountExists(await this.#takenNames(account), cause);
  }

  async #takenNames({ usernameKey, emailKey, recordId }: Names): Promise<FieldViolation[]> {
    const { accounts, clients } = this.#deps;
    const [byName, isClients, byEmail, byRecordId] = await Promise.all([
      accounts.findByUsername(usernameKey),
      isClientsName(usernameKey, clients),
      accounts.findByEmail(emailKey),
      accounts.findByRecordId(recordId),
    ]);
    return brokenFields({
      username: () => (byName !== undefined || isClients ? "is taken; choose another" : undefined),
      email: () => byEmail && "is already in use; log in instead",
      record_id: () => byRecordId && "is taken; choose another",
    });
  }
}

export function madeUpUsername(): string {
  return `user-${randomBytes(6).toString("hex")}`;
}

function checksOf(
  { username, email, password, recordId, metadata = {} }: NewAccount,
  passwords: Passwords,
): FieldChecks {
  return {
    username: () => {
      if (username !== "") return usernameRule(username);
      return email === "" ? "must be given when there is no email" : undefined;
    },
    email: () => (email === "" ? undefined : emailRule(email)),
    record_id: () => (recordId === undefined ? undefined : recordIdRule(recordId)),
    data: () => metadataRule(metadata),
    password: () => newPasswordRule(password, (text) => passwords.isCommon(text)),
  };
}

function composed(
  { username, email, recordId = randomId(recordIdLength), metadata = {} }: NewAccount,
  passwordHash: string,
  role: Role,
  now: number,
): Account {
  const names = { username: username || madeUpUsername(), email: email || null };
  return newAccount({ id: randomUUID(), recordId, ...names, passwordHash, role, metadata }, now);
}
