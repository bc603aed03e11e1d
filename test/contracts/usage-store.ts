import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { UserDay } from "../../src/model/usage.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import type { UsageStore } from "../../src/ports/usage-store.ts";
import type { Opened } from "./opened.ts";
import { atOnce, oddTexts, sampleUsage } from "./samples.ts";

const many = Number.MAX_SAFE_INTEGER;

function sampleDay(change: Partial<UserDay> = {}): UserDay {
  const { userId, email, date } = sampleUsage(change);
  return { userId, email, date };
}

export function usageStoreContract(name: string, open: () => Promise<Opened<UsageStore>>): void {
  describe(`the usage store: ${name}`, () => {
    test("counts each user's days, with the address that the first request had", async () => {
      const { store, another } = await open();
      const other = await another();
      const day = sampleDay();
      expect(await store.add(day, 1, many)).toBe(true);
      expect(await other.add({ ...day, email: null }, 2, many)).toBe(true);
      expect(await store.add({ ...day, date: "2126-02-04" }, 5, many)).toBe(true);
      expect(await store.add(sampleDay(), 7, many)).toBe(true);
      const { userId, email } = day;
      expect(await other.list(userId, "2126-02-03")).toStrictEqual([
        { id: `${userId}/2126-02-04`, userId, email, date: "2126-02-04", count: 5 },
        { id: `${userId}/2126-02-03`, userId, email, date: "2126-02-03", count: 3 },
      ]);
      expect(await store.get(`${userId}/2126-02-03`)).toMatchObject({ count: 3 });
    });

    test("adds nothing that goes over the limit", async () => {
      const { store } = await open();
      const day = sampleDay();
      const counted = async () => (await store.list(day.userId, day.date)).map(({ count }) => count);
      expect(await store.add(day, 4, 3)).toBe(false);
      expect(await counted()).toEqual([]);
      expect(await store.add(day, 2, 3)).toBe(true);
      expect(await store.add(day, 2, 3)).toBe(false);
      expect(await store.add(day, 1, 3)).toBe(true);
      expect(await store.add(day, 1, 3)).toBe(false);
      expect(await counted()).toEqual([3]);
      expect(await store.add(day, 1, 4)).toBe(true);
      expect(await store.add(day, 1, 2)).toBe(false);
      expect(await counted()).toEqual([4]);
    });

    test("lets exactly the limit through of 100 additions at once, from the first on", async () => {
      const { store, another } = await open();
      const stores = [store, await another()] as const;
      const day = sampleDay();
      for (const limit of [40, 60]) {
        const added = await atOnce(100, (index) => stores[index % 2 === 0 ? 0 : 1].add(day, 1, limit));
        expect(added.filter(Boolean)).toHaveLength(limit === 40 ? 40 : 20);
        expect(await store.list(day.userId, day.date)).toMatchObject([{ count: limit }]);
      }
    });

    test("keeps every text as it was, and one user's apart from another's", async () => {
      const { store } = await open();
      for (const text of oddTexts) {
        const usage = sampleUsage({ id: `${text}/${randomUUID()}`, userId: text, email: text });
        await store.insert(usage);
        expect(await store.get(usage.id)).toStrictEqual(usage);
        expect(await store.list(text, "")).toStrictEqual([usage]);
      }
    });

    test("refuses a taken id and leaves what is there", async () => {
      const { store } = await open();
      const usage = sampleUsage();
      await store.insert(usage);
      await expect(store.insert({ ...usage, count: 9 })).rejects.toBeInstanceOf(DuplicateKey);
      expect(await store.get(usage.id)).toStrictEqual(usage);
    });

    test("deletes a user's, and nobody else's, a few at a time", async () => {
      const { store } = await open();
      const [gone, other] = [randomUUID(), randomUUID()];
      for (const date of ["2126-01-01", "2126-01-02", "2126-01-03"])
        for (const userId of [gone, other]) await store.add(sampleDay({ userId, date }), 1, many);
      for (const expected of [2, 1, 0]) expect(await store.deleteByUser(gone, 2)).toBe(expected);
      expect(await store.list(gone, "")).toEqual([]);
      expect(await store.list(other, "")).toHaveLength(3);
    });

    test("deletes those of earlier dates, the oldest first", async () => {
      const { store } = await open();
      const userId = randomUUID();
      const dates = ["2125-12-31", "2126-01-02", "2126-01-01"];
      for (const date of dates) await store.add(sampleDay({ userId, date }), 1, many);
      const left = async () => (await store.list(userId, "")).map(({ date }) => date);
      expect(await store.deleteBefore("2126-01-02", 1)).toBe(1);
      expect(await left()).toEqual(["2126-01-02", "2126-01-01"]);
      expect(await store.deleteBefore("2126-01-02", 9)).toBe(1);
      expect(await left()).toEqual(["2126-01-02"]);
    });
  });
}
