import { describe, expect, test } from "vitest";
import { isSessionAlive } from "../../src/model/session.ts";
import type { SessionStore } from "../../src/ports/session-store.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import type { Opened } from "./opened.ts";
import { atOnce, growingNumbers, oddTexts, sampleSession, sampleTime } from "./samples.ts";

const now = sampleTime;

export function sessionStoreContract(name: string, open: () => Promise<Opened<SessionStore>>): void {
  describe(`the session store: ${name}`, () => {
    test("gives a session back as it was", async () => {
      const { store, another } = await open();
      const fresh = sampleSession();
      const used = sampleSession({ previousRefreshHash: "before", userAgent: "curl/8", version: 12 });
      for (const session of [fresh, used]) {
        await store.insert(session);
        expect(await store.get(session.id)).toStrictEqual(session);
        expect(await (await another()).get(session.id)).toStrictEqual(session);
      }
    });

    test("keeps every text as it was", async () => {
      const { store } = await open();
      for (const text of oddTexts) {
        const session = sampleSession({ userAgent: text, address: text, refreshHash: text, previousRefreshHash: text });
        await store.insert(session);
        expect(await store.get(session.id)).toStrictEqual(session);
      }
    });

    test("finds nothing for what is not there", async () => {
      const { store } = await open();
      const { id } = sampleSession();
      await store.insert(sampleSession({ id }));
      for (const text of ["", "nothing", id.toUpperCase()]) expect(await store.get(text)).toBeUndefined();
    });

    test("refuses a taken id and leaves what is there", async () => {
      const { store } = await open();
      const session = sampleSession();
      await store.insert(session);
      await expect(store.insert(sampleSession({ id: session.id }))).rejects.toBeInstanceOf(DuplicateKey);
      expect(await store.get(session.id)).toStrictEqual(session);
    });

    test("replaces only the version before", async () => {
      const { store } = await open();
      const session = sampleSession({ version: 3 });
      await store.insert(session);
      for (const version of [1, 2, 3, 5, 6]) {
        expect(await store.replace({ ...session, version, refreshHash: "stale" })).toBe(false);
        expect(await store.get(session.id)).toStrictEqual(session);
      }
      const next = { ...session, version: 4, refreshHash: "next", previousRefreshHash: "current" };
      expect(await store.replace(next)).toBe(true);
      expect(await store.get(session.id)).toStrictEqual(next);
      expect(await store.replace(next)).toBe(false);
    });

    test("replaces nothing that is not there", async () => {
      const { store } = await open();
      const session = sampleSession();
      expect(await store.replace(sampleSession({ version: 2 }))).toBe(false);
      expect(await store.replace({ ...session, version: 1 })).toBe(false);
      await store.insert(session);
      await store.delete(session.id);
      expect(await store.replace({ ...session, version: 2 })).toBe(false);
      expect(await store.get(session.id)).toBeUndefined();
    });

    test("lets one of 100 writers of the same version win", async () => {
      const { store, another } = await open();
      const stores = [store, await another()] as const;
      const session = sampleSession();
      await store.insert(session);
      const won = await atOnce(100, (index) =>
        stores[index % 2 === 0 ? 0 : 1].replace({ ...session, version: 2, refreshHash: `writer ${index}` }),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await store.get(session.id))?.refreshHash).toBe(`writer ${won.indexOf(true)}`);
    });

    test("lists an account's sessions, the newest first", async () => {
      const { store } = await open();
      const accountId = "an account";
      const sessions = [3, 1, 2].map((age) => sampleSession({ accountId, createdAt: now - age }));
      for (const session of [...sessions, sampleSession()]) await store.insert(session);
      const ages = async (limit: number) =>
        (await store.listByAccount(accountId, limit)).map(({ createdAt }) => now - createdAt);
      expect(await ages(9)).toEqual([1, 2, 3]);
      expect(await ages(2)).toEqual([1, 2]);
      expect(await store.listByAccount("", 9)).toEqual([]);
    });

    test("deletes an account's sessions but one, and tells which", async () => {
      const { store, another } = await open();
      const mine = [1, 2, 3].map(() => sampleSession({ accountId: "mine" }));
      const other = sampleSession();
      for (const session of [...mine, other]) await store.insert(session);
      const [kept, ...gone] = mine.map(({ id }) => id);
      expect((await store.deleteByAccount("mine", kept)).toSorted()).toEqual(gone.toSorted());
      expect(await store.deleteByAccount("mine", kept)).toEqual([]);
      expect((await (await another()).listByAccount("mine", 9)).map(({ id }) => id)).toEqual([kept]);
      expect(await store.deleteByAccount("mine")).toEqual([kept]);
      expect(await store.get(other.id)).toStrictEqual(other);
    });

    test("deletes an account's sessions however many they are", async () => {
      const { store } = await open();
      const mine = Array.from({ length: 250 }, () => sampleSession({ accountId: "mine" }));
      await Promise.all(mine.map((session) => store.insert(session)));
      const [kept, ...gone] = mine.map(({ id }) => id);
      expect((await store.deleteByAccount("mine", kept)).toSorted()).toEqual(gone.toSorted());
      expect((await store.listByAccount("mine", 9)).map(({ id }) => id)).toEqual([kept]);
    });

    test("notes a later use without a new version, and no earlier one", async () => {
      const { store } = await open();
      const session = sampleSession();
      await store.insert(session);
      await store.touch(session.id, now + 5);
      await store.touch(session.id, now + 4);
      await store.touch("nothing", now);
      expect(await store.get(session.id)).toStrictEqual({ ...session, lastUsedAt: now + 5 });
      expect(await store.replace({ ...session, version: 2 })).toBe(true);
    });

    test("deletes one session, and minds not when there is none", async () => {
      const { store } = await open();
      const [gone, kept] = [sampleSession(), sampleSession()];
      await store.insert(gone);
      await store.insert(kept);
      await store.delete(gone.id);
      await store.delete(gone.id);
      await store.delete("");
      expect(await store.get(gone.id)).toBeUndefined();
      expect(await store.get(kept.id)).toStrictEqual(kept);
    });

    test("deletes the sessions that are not alive any more, and no other", async () => {
      const { store } = await open();
      const later = now + 1_000_000;
      const sessions = [
        sampleSession({ expiresAt: now - 1, idleAt: later }),
        sampleSession({ expiresAt: later, idleAt: now - 1 }),
        sampleSession({ expiresAt: now, idleAt: later }),
        sampleSession({ expiresAt: later, idleAt: now }),
        sampleSession({ expiresAt: now + 1, idleAt: later }),
        sampleSession({ expiresAt: later, idleAt: now + 1 }),
      ];
      for (const session of sessions) await store.insert(session);
      expect(await store.deleteEnded(now, 100)).toBe(4);
      for (const session of sessions) {
        expect(await store.get(session.id)).toStrictEqual(isSessionAlive(session, now) ? session : undefined);
      }
      expect(await store.deleteEnded(now, 100)).toBe(0);
    });

    test("knows a session's end as the last replace left it", async () => {
      const { store } = await open();
      const [longer, shorter] = [sampleSession({ idleAt: now }), sampleSession()];
      await store.insert(longer);
      await store.insert(shorter);
      await store.replace({ ...longer, idleAt: now + 1, version: 2 });
      await store.replace({ ...shorter, idleAt: now, version: 2 });
      expect(await store.deleteEnded(now, 100)).toBe(1);
      expect(await store.get(longer.id)).toBeDefined();
      expect(await store.get(shorter.id)).toBeUndefined();
    });

    test("compares ends as numbers, however big", async () => {
      const { store } = await open();
      for (const end of growingNumbers) await store.insert(sampleSession({ expiresAt: end, idleAt: end + 1 }));
      for (const end of growingNumbers) {
        expect(await store.deleteEnded(end - 1, 100)).toBe(0);
        expect(await store.deleteEnded(end, 100)).toBe(1);
      }
    });

    test("deletes at most as many ended ones as it is told", async () => {
      const { store } = await open();
      for (let count = 0; count < 5; count += 1) await store.insert(sampleSession({ idleAt: now - 10 }));
      const deleted: number[] = [];
      for (let count = 0; count < 4; count += 1) deleted.push(await store.deleteEnded(now, 2));
      expect(deleted).toEqual([2, 2, 1, 0]);
    });
  });
}
