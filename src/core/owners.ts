import type { Account } from "../model/account.ts";
import type { Client } from "../model/client.ts";
import { isClientId } from "../model/ids.ts";
import type { Recent } from "./recent.ts";

/** Who owns jobs: accounts and clients. */
export interface Owners {
  readonly recentAccounts: Recent<Account>;
  readonly recentClients: Recent<Client>;
}

/** Whether the owner with this id was deleted. A disabled one is not: it may come back. */
export async function isOwnerGone(id: string, { recentAccounts, recentClients }: Owners): Promise<boolean> {
  if (isClientId(id)) return (await recentClients.get(id)) === undefined;
  const account = await recentAccounts.get(id);
  return account === undefined || account.deletedAt !== null;
}
