import type { Account } from "../model/account.ts";
import type { Client } from "../model/client.ts";
import type { Session } from "../model/session.ts";
import type { AccountStore } from "../ports/account-store.ts";
import type { ClientStore } from "../ports/client-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { SessionStore } from "../ports/session-store.ts";
import { LastUse } from "./last-use.ts";
import { Recent } from "./recent.ts";

interface Stores {
  readonly accounts: AccountStore;
  readonly clients: ClientStore;
  readonly sessions: SessionStore;
}

/** The stores of what credentials belong to, such that each write is seen by this process's next call. */
export function recentRecords(stores: Stores, clock: Clock, log: Log) {
  const recentAccounts = new Recent((id) => stores.accounts.get(id), clock);
  const recentClients = new Recent((id) => stores.clients.get(id), clock);
  const recentSessions = new Recent((id) => stores.sessions.get(id), clock);
  const onError = (error: unknown) => log.warn({ err: error }, "when something was last used could not be written");
  return {
    accounts: forgettingAccounts(stores.accounts, recentAccounts),
    clients: forgettingClients(stores.clients, recentClients),
    sessions: forgettingSessions(stores.sessions, recentSessions),
    recentAccounts,
    recentClients,
    recentSessions,
    clientUse: new LastUse((id, at) => stores.clients.touch(id, at), clock, onError),
    sessionUse: new LastUse((id, at) => stores.sessions.touch(id, at), clock, onError),
  };
}

function forgettingAccounts(store: AccountStore, recent: Recent<Account>): AccountStore {
  return {
    ...store,
    replace: (account) => recent.after(account.id, () => store.replace(account)),
    delete: (id) => recent.after(id, () => store.delete(id)),
  };
}

function forgettingClients(store: ClientStore, recent: Recent<Client>): ClientStore {
  return {
    ...store,
    replace: (client) => recent.after(client.id, () => store.replace(client)),
    delete: (id) => recent.after(id, () => store.delete(id)),
  };
}

export function forgettingSessions(store: SessionStore, recent: Recent<Session>): SessionStore {
  return {
    ...store,
    replace: (session) => recent.after(session.id, () => store.replace(session)),
    delete: (id) => recent.after(id, () => store.delete(id)),
    async deleteByAccount(accountId, exceptId) {
      const deleted = await store.deleteByAccount(accountId, exceptId);
      for (const id of deleted) recent.forget(id);
      return deleted;
    },
  };
}
