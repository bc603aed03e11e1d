import { type Session, sessionEnd } from "../../model/session.ts";
import type { SessionStore } from "../../ports/session-store.ts";
import { purgeAfter } from "./collections.ts";
import type { Database } from "./database.ts";
import { atMost, is, Records } from "./records.ts";

/** How many of an account's sessions one call deletes: each call must be answered in time. */
const batch = 100;

export function mongodbSessionStore(db: Database): SessionStore {
  const sessions = new Records<Session>(db, "sessions", {
    derived: { endsAt: sessionEnd, purgeAt: (session) => purgeAfter(sessionEnd(session)) },
    defaults: { surface: "own", epoch: 0 },
  });
  return {
    insert: (session) => sessions.insert(session),
    get: (id) => sessions.get(id),
    replace: (session) => sessions.replace(session, { version: is(session.version - 1) }),
    async delete(id) {
      await sessions.delete({ _id: is(id) });
    },
    listByAccount: (accountId, limit) =>
      sessions.find({ accountId: is(accountId) }, { sort: { createdAt: -1 }, limit }),
    async deleteByAccount(accountId, exceptId) {
      const deleted: string[] = [];
      for (;;) {
        const ids = await sessions.ids({ accountId: is(accountId) }, { limit: batch });
        const others = ids.filter((id) => id !== exceptId);
        if (others.length === 0) return deleted;
        await sessions.deleteMany(others);
        deleted.push(...others);
      }
    },
    async touch(id, lastUsedAt) {
      await sessions.raise({ _id: is(id) }, "lastUsedAt", lastUsedAt);
    },
    deleteEnded: (now, limit) => sessions.deleteFirst({ endsAt: atMost(now) }, { sort: { endsAt: 1 }, limit }),
  };
}
