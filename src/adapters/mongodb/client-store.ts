import type { Client } from "../../model/client.ts";
import type { ClientStore } from "../../ports/client-store.ts";
import type { Database } from "./database.ts";
import { before, is, Records } from "./records.ts";
import { sortKey } from "./sort-key.ts";

export function mongodbClientStore(db: Database): ClientStore {
  const clients = new Records<Client>(db, "clients", {
    derived: { place: sortKey },
    defaults: { limitPerMinute: null },
  });
  return {
    insert: (client) => clients.insert(client),
    get: (id) => clients.get(id),
    replace: (client) => clients.replace(client, { version: is(client.version - 1) }),
    delete: (id) => clients.delete({ _id: is(id) }),
    list: (after, limit) =>
      clients.find(after === undefined ? {} : { place: before(sortKey(after)) }, { sort: { place: -1 }, limit }),
    async touch(id, lastUsedAt) {
      await clients.raise({ _id: is(id) }, "lastUsedAt", lastUsedAt);
    },
  };
}
