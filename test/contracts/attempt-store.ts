import { describe, expect, test } from "vitest";
import type { SignInAttempts } from "../../src/model/guessing.ts";
import type { SignInAttemptStore } from "../../src/ports/sign-in-attempt-store.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import type { Opened } from "./opened.ts";
import { atOnce, sampleTime } from "./samples.ts";

function sampleAttempts(change: Partial<SignInAttempts> = {}): SignInAttempts {
  const addresses = [{ address: "2001:db8:0:1", failures: 2, lastAt: sampleTime }];
  return { id: crypto.randomUUID(), failures: 2, lastAt: sampleTime, addresses, version: 1, ...change };
}

export function attemptStoreContract(name: string, open: () => Promise<Opened<SignInAttemptStore>>): void {
  describe(`the attempt store: ${name}`, () => {
    test("gives attempts back as they were, and none that are not there", async () => {
      const { store, another } = await open();
      const attempts = sampleAttempts();
      await store.insert(attempts);
      for (const seen of [store, await another()]) expect(await seen.get(attempts.id)).toStrictEqual(attempts);
      expect(await store.get("nothing")).toBeUndefined();
      await expect(store.insert(sampleAttempts({ id: attempts.id }))).rejects.toBeInstanceOf(DuplicateKey);
    });

    test("lets one of 50 writers of the same version win", async () => {
      const { store, another } = await open();
      const stores = [store, await another()] as const;
      const attempts = sampleAttempts();
      await store.insert(attempts);
      const won = await atOnce(50, (index) =>
        stores[index % 2 === 0 ? 0 : 1].replace({ ...attempts, version: 2, failures: index }),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await store.get(attempts.id))?.failures).toBe(won.indexOf(true));
      expect(await store.replace(sampleAttempts({ version: 2 }))).toBe(false);
    });

    test("deletes one, and those that are too old", async () => {
      const { store } = await open();
      const all = [1, 2, 3].map((age) => sampleAttempts({ lastAt: sampleTime - age }));
      for (const attempts of all) await store.insert(attempts);
      expect(await store.deleteBefore(sampleTime - 1, 1)).toBe(1);
      expect(await store.get(all[2]?.id ?? "")).toBeUndefined();
      expect(await store.deleteBefore(sampleTime - 1, 9)).toBe(1);
      expect(await store.get(all[0]?.id ?? "")).toStrictEqual(all[0]);
      await store.delete(all[0]?.id ?? "");
      await store.delete("nothing");
      expect(await store.get(all[0]?.id ?? "")).toBeUndefined();
    });
  });
}
