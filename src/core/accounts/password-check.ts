import { type Account, passwordRule } from "../../model/account.ts";
import { checkFields, unauthenticated } from "../../model/errors.ts";
import type { UserPrincipal } from "../../model/principal.ts";
import type { Passwords } from "../../ports/credentials.ts";
import type { Authentication } from "../admission/authentication.ts";
import { usableAccount } from "../admission/refused-credentials.ts";
import type { Guessing } from "./guessing.ts";

export interface PasswordCheckDeps {
  readonly authentication: Pick<Authentication, "confirm">;
  readonly guessing: Guessing;
  readonly passwords: Passwords;
}

/**
 * Asks a signed-in user for the password again. A wrong one counts as a failed login from the caller's address. The
 * check may wait in a queue, so a caller who is no longer signed in when it is done is refused too.
 */
export async function checkPassword(
  { authentication, guessing, passwords }: PasswordCheckDeps,
  by: UserPrincipal,
  address: string,
  { password, field }: { readonly password: string; readonly field: string },
): Promise<void> {
  checkFields({ [field]: () => passwordRule(password) });
  const confirm = () => passwords.confirm(password, by.account.passwordHash);
  if (!(await guessing.guard(by.account.id, address, confirm)))
    throw unauthenticated("PASSWORD_WRONG", `${field}: the password is wrong`);
  await authentication.confirm(by);
}

/**
 * For a write after a password check; `checked` is the account as it was then. Throws when the account has another
 * password by now, or cannot be used any more.
 */
export function needSamePassword(current: Account, checked: Account): void {
  if (usableAccount(current).passwordHash !== checked.passwordHash)
    throw unauthenticated("PASSWORD_WRONG", "the password was changed meanwhile");
}
