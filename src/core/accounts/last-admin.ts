import type { Account } from "../../model/account.ts";
import { DomainError } from "../../model/errors.ts";
import type { AccountStore } from "../../ports/account-store.ts";

/** How many administrators are read to find another one who is not disabled. */
const adminsLooked = 100;

/**
 * Rejects when nobody could administer without this account. Two administrators who remove each other at the same
 * moment are not noticed: no database could check that in one write.
 */
export async function keepAnAdmin(store: AccountStore, { id, role }: Account): Promise<void> {
  if (role !== "admin") return;
  const admins = await store.listAdmins(adminsLooked);
  if (admins.some((admin) => admin.id !== id && !admin.disabled)) return;
  const message = "this is the last administrator who can sign in: make another one first";
  throw new DomainError("failed_precondition", "LAST_ADMIN", message);
}
