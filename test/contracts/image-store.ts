import { describe, expect, test } from "vitest";
import type { ImageStore } from "../../src/ports/image-store.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import type { Opened } from "./opened.ts";
import { atOnce, growingNumbers, oddTexts, sampleImage, sampleTime } from "./samples.ts";

const now = sampleTime;

export function imageStoreContract(name: string, open: () => Promise<Opened<ImageStore>>): void {
  describe(`the image store: ${name}`, () => {
    test("tells an owner's, ready or not, and follows who it is given to", async () => {
      const { store, another } = await open();
      const [owner, other] = [sampleImage(), sampleImage({ ownerId: null })];
      const pending = sampleImage({ ownerId: owner.ownerId, ready: false });
      for (const image of [owner, other, pending]) await store.insert(image);
      const ids = async (id: string, limit = 9) => (await store.listByOwner(id, limit)).map(({ id }) => id).toSorted();
      const ownerId = owner.ownerId ?? "";
      expect(await ids(ownerId)).toEqual([owner.id, pending.id].toSorted());
      expect(await ids(ownerId, 1)).toHaveLength(1);
      await (await another()).update({ ...other, ownerId });
      expect(await ids(ownerId)).toEqual([owner.id, pending.id, other.id].toSorted());
      await store.delete(owner.id);
      expect(await ids(ownerId)).toEqual([pending.id, other.id].toSorted());
      expect(await ids("nobody")).toEqual([]);
    });

    test("gives an image back as it was", async () => {
      const { store, another } = await open();
      const images = [
        sampleImage(),
        sampleImage({ ownerId: null, jobId: "job", ready: false, width: 0, height: 0, size: 0 }),
        sampleImage({ id: "AZaz09_-", type: "image/webp", width: 30_000, height: 1, size: 20 * 1024 * 1024 }),
      ];
      for (const image of images) {
        await store.insert(image);
        expect(await store.get(image.id)).toStrictEqual(image);
        expect(await (await another()).get(image.id)).toStrictEqual(image);
      }
    });

    test("keeps every text as it was", async () => {
      const { store } = await open();
      for (const text of oddTexts) {
        const image = sampleImage({ ownerId: text, jobId: text });
        await store.insert(image);
        await store.keepUntil(image.id, now + 999_999, now);
        expect(await store.get(image.id)).toStrictEqual({ ...image, expiresAt: now + 999_999 });
      }
    });

    test("compares ids with their letter case", async () => {
      const { store } = await open();
      const [lower, upper] = [sampleImage({ id: "abc" }), sampleImage({ id: "ABC" })];
      await store.insert(lower);
      expect(await store.get("ABC")).toBeUndefined();
      await store.insert(upper);
      expect(await store.get("abc")).toStrictEqual(lower);
      expect(await store.get("ABC")).toStrictEqual(upper);
    });

    test("refuses a taken id and leaves what is there", async () => {
      const { store } = await open();
      const image = sampleImage();
      await store.insert(image);
      await expect(store.insert(sampleImage({ id: image.id }))).rejects.toBeInstanceOf(DuplicateKey);
      expect(await store.get(image.id)).toStrictEqual(image);
    });

    test("updates all fields of an image that is there", async () => {
      const { store } = await open();
      const image = sampleImage({ ownerId: null, ready: false });
      await store.insert(image);
      const changed = sampleImage({ id: image.id, type: "image/jpeg", jobId: "job", expiresAt: now - 1 });
      expect(await store.update(changed)).toBe(true);
      expect(await store.get(image.id)).toStrictEqual(changed);
      expect(await store.expired(now, 10)).toStrictEqual([changed]);
      expect(await store.update({ ...changed, ownerId: null, expiresAt: now + 1 })).toBe(true);
      expect((await store.get(image.id))?.ownerId).toBeNull();
      expect(await store.expired(now, 10)).toStrictEqual([]);
    });

    test("updates and keeps nothing that is not there", async () => {
      const { store } = await open();
      const image = sampleImage();
      expect(await store.update(image)).toBe(false);
      expect(await store.keepUntil(image.id, now + 1, now)).toBe(false);
      await store.insert(image);
      await store.delete(image.id);
      await store.delete(image.id);
      expect(await store.update(image)).toBe(false);
      expect(await store.keepUntil(image.id, now + 1, now)).toBe(false);
      expect(await store.get(image.id)).toBeUndefined();
    });

    test("gives an image that is nobody's to one of those who ask at once, and to nobody else after", async () => {
      const { store, another } = await open();
      const stores = [store, await another()] as const;
      const image = sampleImage({ ownerId: null, jobId: null });
      await store.insert(image);
      const given = Array.from({ length: 10 }, (_, index) => ({
        ...image,
        ownerId: `o${index}`,
        expiresAt: now + index,
      }));
      const answers = await Promise.all(given.map((one, index) => stores[index % 2 === 0 ? 0 : 1].adopt(one)));
      expect(answers.filter(Boolean)).toHaveLength(1);
      const adopted = given[answers.indexOf(true)];
      expect(await store.get(image.id)).toStrictEqual(adopted);
      expect(await store.expired(adopted?.expiresAt ?? 0, 10)).toStrictEqual([adopted]);
      expect(await store.listByOwner(adopted?.ownerId ?? "", 10)).toStrictEqual([adopted]);
      expect(await store.adopt({ ...image, ownerId: "late" })).toBe(false);
      expect(await store.adopt(sampleImage({ ownerId: null }))).toBe(false);
      expect(await store.get(image.id)).toStrictEqual(adopted);
    });

    test("keeps an image longer, and never shorter", async () => {
      const { store } = await open();
      const image = sampleImage({ ownerId: null, expiresAt: now + 1001 });
      await store.insert(image);
      for (const [until, expiresAt] of [
        [now, now + 1001],
        [now + 1001, now + 1001],
        [now + 1002, now + 1002],
        [0, now + 1002],
        [now + 2003, now + 2003],
      ] as const) {
        expect(await store.keepUntil(image.id, until, now)).toBe(true);
        expect(await store.get(image.id)).toStrictEqual({ ...image, expiresAt });
      }
      expect(await store.expired(now + 2002, 10)).toStrictEqual([]);
      expect(await store.expired(now + 2003, 10)).toHaveLength(1);
    });

    test("keeps no image whose time has come, so that the sweeper may have it", async () => {
      const { store } = await open();
      const image = sampleImage({ expiresAt: now });
      await store.insert(image);
      for (const at of [now, now + 1]) expect(await store.keepUntil(image.id, now + 9, at)).toBe(false);
      expect(await store.get(image.id)).toStrictEqual(image);
      expect(await store.expired(now, 10)).toStrictEqual([image]);
      expect(await store.keepUntil(image.id, now + 9, now - 1)).toBe(true);
      expect(await store.expired(now, 10)).toStrictEqual([]);
    });

    test("keeps an image as long as the longest of many who ask at once", async () => {
      const { store, another } = await open();
      const stores = [store, await another()] as const;
      const image = sampleImage({ expiresAt: now });
      await store.insert(image);
      await atOnce(50, (index) =>
        stores[index % 2 === 0 ? 0 : 1].keepUntil(image.id, now + ((index * 7) % 50), now - 1),
      );
      expect(await store.get(image.id)).toStrictEqual({ ...image, expiresAt: now + 49 });
    });

    test("lists what has expired, ready or not, the longest expired first", async () => {
      const { store } = await open();
      const ends = [now + 1, now, now - 3, now - 1, now - 3_000_000_000, now - 2];
      for (const expiresAt of ends) await store.insert(sampleImage({ expiresAt, ready: expiresAt % 2 === 0 }));
      const expired = await store.expired(now, 10);
      expect(expired.map(({ expiresAt }) => expiresAt)).toEqual([now - 3_000_000_000, now - 3, now - 2, now - 1, now]);
      expect((await store.expired(now, 2)).map(({ expiresAt }) => expiresAt)).toEqual([now - 3_000_000_000, now - 3]);
      expect(await store.expired(now - 4_000_000_000, 10)).toEqual([]);
    });

    test("orders by numbers, however big", async () => {
      const { store } = await open();
      const ends = [...growingNumbers].reverse();
      for (const end of ends) await store.insert(sampleImage({ expiresAt: end, size: end }));
      const ordered = (await store.expired(2 ** 53, 100)).map(({ expiresAt, size }) => [expiresAt, size]);
      expect(ordered).toEqual(growingNumbers.map((end) => [end, end]));
    });

    test("comes to all that expired at the same moment, a few at a time", async () => {
      const { store } = await open();
      const ids = new Set<string>();
      for (let count = 0; count < 5; count += 1) {
        const image = sampleImage({ expiresAt: now });
        ids.add(image.id);
        await store.insert(image);
      }
      for (const expected of [2, 2, 1, 0]) {
        const expired = await store.expired(now, 2);
        expect(expired).toHaveLength(expected);
        for (const { id } of expired) {
          expect(ids.delete(id)).toBe(true);
          await store.delete(id);
        }
      }
      expect(ids.size).toBe(0);
    });
  });
}
