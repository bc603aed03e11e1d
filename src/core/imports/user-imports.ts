import { randomBytes, randomUUID } from "node:crypto";
import { randomId } from "../../helpers/random-id.ts";
import { Turns } from "../../helpers/turns.ts";
import { type Account, accountExists, nameKey, newAccount, recordIdLength } from "../../model/account.ts";
import { brokenFields, checkFields, type FieldViolation } from "../../model/errors.ts";
import { type ForeignUser, foreignUserChecks, knownHash, leftBehind, type UserSource } from "../../model/imports.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { ClientStore } from "../../ports/client-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Passwords } from "../../ports/credentials.ts";
import { isClientsName } from "../accounts/client-names.ts";
import { type ImportDeps, type ImportOutcome, keepImport, retry } from "./imports.ts";

interface UserImportDeps extends ImportDeps {
  readonly accounts: AccountStore;
  readonly clients: Pick<ClientStore, "get">;
  readonly passwords: Passwords;
  readonly clock: Clock;
}

/** Imports accounts from another system, with their passwords. */
export class UserImports {
  readonly #deps: UserImportDeps;
  readonly #source: UserSource;
  readonly #turns = new Turns();
  #nobodysHash: Promise<string> | undefined;

  constructor(deps: UserImportDeps, source: UserSource) {
    this.#deps = deps;
    this.#source = source;
  }

  /** Importing the same user again changes nothing: later changes here stay. Of two users with one name the first gets it. */
  async take(user: ForeignUser): Promise<ImportOutcome> {
    const reason = leftBehind(user);
    if (reason !== undefined) return { outcome: "left", reason };
    checkFields(foreignUserChecks(user, this.#source));
    const names = [user.username, user.email].filter((name) => name !== "").map(nameKey);
    return this.#turns.take([`id ${user.id}`, ...names], () => this.#import(user));
  }

  async #import(user: ForeignUser): Promise<ImportOutcome> {
    const notes: string[] = [];
    if (user.passwordHash === "") notes.push("has no password: a reset sets one");
    if (this.#isBanned(user)) notes.push("is banned: the account is disabled");
    const account = await this.#compose(user);
    const held = await retry(() => this.#put(account, user));
    if (held !== undefined) return { outcome: "there", id: held.id };
    if (!this.#deps.dryRun) await keepImport(this.#deps, "user", account.id);
    return { outcome: "imported", id: account.id, notes };
  }

  /** Writes the account, or resolves to the one that an earlier import of the same record wrote. */
  async #put(account: Account, user: ForeignUser): Promise<Account | undefined> {
    const { accounts, dryRun } = this.#deps;
    const held = await this.#holder(account);
    // Written by this very call, whose answer was lost: one of the ids was made up for it.
    if (held?.id === account.id && held.recordId === account.recordId) return undefined;
    if (held !== undefined && held.deletedAt !== null)
      throw accountExists([{ field: "id", rule: "was deleted a moment ago: import it again in two minutes" }]);
    if (held !== undefined && (user.createdAt ?? held.createdAt) === held.createdAt) return held;
    if (held !== undefined) throw accountExists([{ field: "id", rule: "is another account's" }]);
    const violations = await this.#takenNames(account);
    if (violations.length > 0) throw accountExists(violations);
    if (!dryRun) await accounts.insert(account);
    return undefined;
  }

  #holder({ id, recordId }: Account): Promise<Account | undefined> {
    const { accounts } = this.#deps;
    return this.#source.keeps === "id" ? accounts.get(id) : accounts.findByRecordId(recordId);
  }

  async #takenNames({ usernameKey, emailKey }: Account): Promise<FieldViolation[]> {
    const { accounts, clients } = this.#deps;
    const { names } = this.#source;
    const rule = "is another account's";
    const [byName, isClients, byEmail] = await Promise.all([
      accounts.findByUsername(usernameKey),
      isClientsName(usernameKey, clients),
      accounts.findByEmail(emailKey),
    ]);
    return brokenFields({
      [names.username]: () => (isClients ? "is a client's id" : byName && rule),
      [names.email]: () => byEmail && rule,
    });
  }

  async #compose(user: ForeignUser): Promise<Account> {
    const now = this.#deps.clock();
    const { keeps } = this.#source;
    const id = keeps === "id" ? user.id : randomUUID();
    const recordId = keeps === "recordId" ? user.id : randomId(recordIdLength);
    return newAccount(
      {
        id,
        recordId,
        username: user.username || `user-${recordId}`,
        email: user.email || null,
        passwordHash: user.passwordHash === "" ? await this.#unknownHash() : knownHash(user.passwordHash),
        disabled: this.#isBanned(user),
        metadata: user.metadata,
        createdAt: user.createdAt ?? now,
      },
      now,
    );
  }

  #isBanned({ bannedUntil = 0 }: ForeignUser): boolean {
    return bannedUntil > this.#deps.clock();
  }

  /** The hash of a password that nobody knows. */
  #unknownHash(): Promise<string> {
    this.#nobodysHash ??= this.#deps.passwords.hash(randomBytes(32).toString("base64url"));
    return this.#nobodysHash;
  }
}
