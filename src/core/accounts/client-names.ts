import { isClientId } from "../../model/ids.ts";
import type { ClientStore } from "../../ports/client-store.ts";

/**
 * Whether a username is an API client's id. No account may have such a name: /api/check_auth names users and clients in
 * one field.
 */
export async function isClientsName(usernameKey: string, clients: Pick<ClientStore, "get">): Promise<boolean> {
  return isClientId(usernameKey) && (await clients.get(usernameKey)) !== undefined;
}
