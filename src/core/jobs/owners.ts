import type { Account } from "../../model/account.ts";
import type { Client } from "../../model/client.ts";
import { isClientId } from "../../model/ids.ts";
import type { RecordCache } from "../admission/record-cache.ts";

/** Who owns jobs: accounts and clients. */
export interface Owners {
  readonly accountCache: RecordCache<Account>;
  readonly clientCache: RecordCache<Client>;
}

/** Whether the owner with this id was deleted. A disabled one is not: it may come back. */
export async function isOwnerGone(id: string, { accountCache, clientCache }: Owners): Promise<boolean> {
  if (isClientId(id)) return (await clientCache.get(id)) === undefined;
  const account = await accountCache.get(id);
  return account === undefined || account.deletedAt !== null;
}
