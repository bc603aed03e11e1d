import { isClientId } from "../../model/ids.ts";
import type { ClientStore } from "../../ports/client-store.ts";

/** Whether it is an API client's id, so that no account may have it: one field says who calls by either. */
export async function isClientsName(usernameKey: string, clients: Pick<ClientStore, "get">): Promise<boolean> {
  return isClientId(usernameKey) && (await clients.get(usernameKey)) !== undefined;
}
