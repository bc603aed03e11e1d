import { type Account, passwordRule } from "../model/account.ts";
import { checkFields, unauthenticated } from "../model/errors.ts";
import type { Passwords } from "../ports/credentials.ts";
import type { Guessing } from "./guessing.ts";

/** Asks a signed-in user for the password again. A wrong one counts as a failed login from the caller's address. */
export async function checkPassword(
  { guessing, passwords }: { readonly guessing: Guessing; readonly passwords: Passwords },
  account: Account,
  address: string,
  { password, field }: { readonly password: string; readonly field: string },
): Promise<void> {
  checkFields({ [field]: () => passwordRule(password) });
  const confirm = () => passwords.confirm(password, account.passwordHash);
  if (!(await guessing.guard(account.id, address, confirm)))
    throw unauthenticated("PASSWORD_WRONG", `${field}: the password is wrong`);
}
