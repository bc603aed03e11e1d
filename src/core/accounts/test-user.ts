import { randomBytes } from "node:crypto";
import { randomId } from "../../helpers/random-id.ts";
import { type Account, newAccount, recordIdLength } from "../../model/account.ts";
import type { UserPrincipal } from "../../model/principal.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Passwords } from "../../ports/credentials.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";
import { madeUpUsername } from "./accounts.ts";

/** The id of the old systems' test user. */
const id = "696dda89-d395-4601-af3d-e1c66de3df1a";
/** The domain of the test user's email address: RFC 2606 reserves it. */
const domain = "example.com";

interface TestUserDeps {
  readonly accounts: AccountStore;
  readonly passwords: Passwords;
  readonly clock: Clock;
}

/**
 * The user that every caller is where authentication is switched off. Nobody knows its password, and no call accepts
 * its sessions.
 */
export async function ensureTestUser(deps: TestUserDeps): Promise<UserPrincipal> {
  const { accounts, passwords, clock } = deps;
  const passwordHash = await passwords.hash(randomBytes(18).toString("base64url"));
  // Somebody may have the name or the address already: then one is made up.
  for (const username of ["test-user", madeUpUsername()]) {
    const account = await accounts.get(id);
    if (account !== undefined && account.email !== null) return { kind: "user", account, sessionId: "" };
    const own = { id, recordId: randomId(recordIdLength), username, email: `${username}@${domain}`, passwordHash };
    await write(accounts, account, newAccount(own, clock())).catch((error: unknown) => {
      if (!(error instanceof DuplicateKey)) throw error;
    });
  }
  return ensureTestUser(deps);
}

/** An account that was deleted a moment ago is replaced whole; of any other only the address is set. */
async function write(accounts: AccountStore, stored: Account | undefined, fresh: Account): Promise<void> {
  if (stored === undefined) return accounts.insert(fresh);
  const { email, emailKey, updatedAt } = fresh;
  const account = stored.deletedAt === null ? { ...stored, email, emailKey, updatedAt } : fresh;
  await accounts.replace({ ...account, version: stored.version + 1 });
}
