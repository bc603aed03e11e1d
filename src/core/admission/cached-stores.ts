import { oncePerMinute } from "../../helpers/once-per-minute.ts";
import type { Session } from "../../model/session.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { ClientStore } from "../../ports/client-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { SessionStore } from "../../ports/session-store.ts";
import { LastUse } from "./last-use.ts";
import { RecordCache } from "./record-cache.ts";

interface Stores {
  readonly accounts: AccountStore;
  readonly clients: ClientStore;
  readonly sessions: SessionStore;
}

/** The stores of accounts, clients and sessions, with a cache that each write here clears, so that the next call sees it. */
export function cachedStores(stores: Stores, clock: Clock, log: Log) {
  const accountCache = new RecordCache((id) => stores.accounts.get(id), clock);
  const clientCache = new RecordCache((id) => stores.clients.get(id), clock);
  const sessionCache = new RecordCache((id) => stores.sessions.get(id), clock);
  const onError = oncePerMinute((err) => log.warn({ err }, "when something was last used could not be written"));
  return {
    accounts: forgetting(stores.accounts, accountCache),
    clients: forgetting(stores.clients, clientCache),
    sessions: forgettingSessions(stores.sessions, sessionCache),
    accountCache,
    clientCache,
    sessionCache,
    clientUse: new LastUse((id, at) => stores.clients.touch(id, at), clock, onError),
    sessionUse: new LastUse((id, at) => stores.sessions.touch(id, at), clock, onError),
  };
}

export function forgettingSessions(store: SessionStore, cache: RecordCache<Session>): SessionStore {
  return {
    ...forgetting(store, cache),
    async deleteByAccount(accountId, exceptId) {
      const deleted = await store.deleteByAccount(accountId, exceptId);
      for (const id of deleted) cache.forget(id);
      return deleted;
    },
  };
}

interface Writes<Kept> {
  replace(record: Kept): Promise<boolean>;
  delete(id: string): Promise<unknown>;
}

function forgetting<Kept extends { readonly id: string }, Store extends Writes<Kept>>(
  store: Store,
  cache: RecordCache<Kept>,
): Store {
  return {
    ...store,
    replace: (record: Kept) => cache.after(record.id, () => store.replace(record)),
    delete: (id: string) => cache.after(id, () => store.delete(id)),
  };
}
