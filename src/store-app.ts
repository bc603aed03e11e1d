import { openQueues, openStores } from "./backends.ts";
import { type Api, apiOver } from "./client/api.ts";
import { compose } from "./compose.ts";
import type { ServerConfig } from "./config.ts";
import type { Log } from "./ports/log.ts";
import { operatorTransport } from "./rpc/in-process.ts";

export interface StoreApi extends Api {
  close(): Promise<void>;
}

/** The API straight on the store, for its operator: nothing listens, sweeps or works here. Servers may run beside it. */
export async function openStoreApi(config: ServerConfig, log: Log): Promise<StoreApi> {
  const stores = await openStores(config, log);
  const queues = await openQueues(config, Date.now, log).catch(async (error: unknown) => {
    await stores.close();
    throw error;
  });
  const core = await compose(config, stores, queues, { log, clock: Date.now });
  return {
    ...apiOver(operatorTransport(core, log)),
    async close() {
      await core.dispatcher.idle();
      await core.changes.stop();
      await core.post.stop();
      await queues.close();
      await stores.close();
    },
  };
}
