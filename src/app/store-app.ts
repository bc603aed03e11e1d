import { type Api, apiOver } from "../client/api.ts";
import type { ServerConfig } from "../config/config.ts";
import { openPasswords } from "../crypto/passwords.ts";
import type { Log } from "../ports/log.ts";
import { operatorTransport } from "../rpc/operator-transport.ts";
import { noQueues, openQueues, openStores } from "./backends.ts";
import { compose } from "./compose.ts";
import { type Running, startParts } from "./parts.ts";

export type StoreApi = Running<Api>;

/**
 * The API straight on the store, for its operator: no port, sweeper or worker is started. Servers may run beside it.
 * Dead letters alone need the queues.
 */
export function openStoreApi(
  config: ServerConfig,
  log: Log,
  { needsQueues }: { readonly needsQueues: boolean },
): Promise<StoreApi> {
  return startParts(log, async (onStop) => {
    const stores = await openStores(config, log);
    onStop("the database", stores.close);
    const queues = needsQueues ? await openQueues(config, Date.now, log) : noQueues();
    onStop("the queues", queues.close);
    const passwords = openPasswords();
    const core = await compose(config, stores, queues, { passwords, log, clock: Date.now, onStop });
    // No sweeper is here to do it later.
    onStop("deletions", () => core.deletions.idle());
    return apiOver(operatorTransport(core, log));
  });
}
