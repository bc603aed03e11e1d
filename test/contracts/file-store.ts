import { describe, expect, test } from "vitest";
import { fileNameKey } from "../../src/model/file.ts";
import type { FileStore } from "../../src/ports/file-store.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import type { Opened } from "./opened.ts";
import { atOnce, distinctKeys, growingNumbers, oddTexts, sampleFile, sampleTime } from "./samples.ts";

const now = sampleTime;

export function fileStoreContract(name: string, open: () => Promise<Opened<FileStore>>): void {
  describe(`the file store: ${name}`, () => {
    test("gives a file back as it was, by its id and by its name", async () => {
      const { store, another } = await open();
      const chatId = "696dda89-d395-4601-af3d-e1c66de3df1a";
      for (const file of [sampleFile(), sampleFile({ chatId, imageId: "img-1", ready: false, size: 0 })]) {
        await store.insert(file);
        for (const one of [store, await another()]) {
          expect(await one.get(file.id)).toStrictEqual(file);
          expect(await one.findByNameKey(file.nameKey)).toStrictEqual(file);
        }
      }
      expect(await store.get("nothing")).toBeUndefined();
      expect(await store.findByNameKey("nothing")).toBeUndefined();
    });

    test("keeps every text as it was", async () => {
      const { store } = await open();
      for (const text of oddTexts) {
        const file = sampleFile({ name: text, nameKey: fileNameKey("owner", text) });
        await store.insert(file);
        expect(await store.findByNameKey(file.nameKey)).toStrictEqual(file);
        const changed = { ...file, ownerId: text, chatId: text };
        expect(await store.update(changed)).toBe(true);
        expect(await store.listByOwner(text, 9)).toStrictEqual([changed]);
      }
    });

    test("tells names apart that are different in anything", async () => {
      const { store } = await open();
      for (const name of distinctKeys) await store.insert(sampleFile({ nameKey: fileNameKey("owner", name) }));
      for (const name of distinctKeys)
        expect(await store.findByNameKey(fileNameKey("owner", name))).toMatchObject({ nameKey: `owner/${name}` });
    });

    test("refuses a taken id or name, and leaves what is there", async () => {
      const { store } = await open();
      const [file, other] = [sampleFile(), sampleFile()];
      for (const one of [file, other]) await store.insert(one);
      for (const taken of [sampleFile({ id: file.id }), sampleFile({ nameKey: file.nameKey })])
        await expect(store.insert(taken)).rejects.toBeInstanceOf(DuplicateKey);
      await expect(store.update({ ...other, nameKey: file.nameKey })).rejects.toBeInstanceOf(DuplicateKey);
      expect(await store.get(file.id)).toStrictEqual(file);
      expect(await store.get(other.id)).toStrictEqual(other);
    });

    test("gives a name to one of those who ask at once, and again once it is free", async () => {
      const { store, another } = await open();
      const stores = [store, await another()] as const;
      const files = await atOnce(20, async () => sampleFile());
      for (const file of files) await store.insert(file);
      const named = files.map((file) => ({ ...file, nameKey: "the same" }));
      const take = (file: (typeof named)[number], index: number) =>
        stores[index % 2 === 0 ? 0 : 1].update(file).catch((error) => {
          expect(error).toBeInstanceOf(DuplicateKey);
          return false;
        });
      const answers = await Promise.all(named.map(take));
      expect(answers.filter(Boolean)).toHaveLength(1);
      const winner = named[answers.indexOf(true)];
      expect(await store.findByNameKey("the same")).toStrictEqual(winner);
      await store.delete(winner?.id ?? "");
      await store.insert(sampleFile({ nameKey: "the same" }));
    });

    test("updates nothing that is not there", async () => {
      const { store } = await open();
      const file = sampleFile();
      expect(await store.update(file)).toBe(false);
      await store.insert(file);
      await store.delete(file.id);
      await store.delete(file.id);
      expect(await store.update(file)).toBe(false);
      expect(await store.get(file.id)).toBeUndefined();
    });

    test("tells an owner's, ready or not", async () => {
      const { store } = await open();
      const ids = [];
      for (const ready of [true, false]) {
        const file = sampleFile({ ownerId: "owner", ready });
        await store.insert(file);
        ids.push(file.id);
      }
      await store.insert(sampleFile());
      const own = async (limit: number) => (await store.listByOwner("owner", limit)).map(({ id }) => id);
      expect((await own(9)).toSorted()).toEqual(ids.toSorted());
      expect(await own(1)).toHaveLength(1);
      expect(await store.listByOwner("nobody", 9)).toEqual([]);
    });

    test("lists what has expired, ready or not, the longest expired first", async () => {
      const { store } = await open();
      for (const expiresAt of [now + 1, now, now - 3, now - 3_000_000_000])
        await store.insert(sampleFile({ expiresAt, ready: expiresAt === now }));
      const expired = async (limit: number) => (await store.expired(now, limit)).map(({ expiresAt }) => expiresAt);
      expect(await expired(9)).toEqual([now - 3_000_000_000, now - 3, now]);
      expect(await expired(2)).toEqual([now - 3_000_000_000, now - 3]);
      const [first] = await store.expired(now, 1);
      await store.update({ ...(first ?? sampleFile()), expiresAt: now + 1 });
      expect(await expired(9)).toEqual([now - 3, now]);
    });

    test("orders by numbers, however big", async () => {
      const { store } = await open();
      for (const end of growingNumbers.toReversed()) await store.insert(sampleFile({ expiresAt: end, size: end }));
      const ordered = (await store.expired(2 ** 53, 100)).map(({ expiresAt, size }) => [expiresAt, size]);
      expect(ordered).toEqual(growingNumbers.map((end) => [end, end]));
    });
  });
}
