import { describe, expect, test } from "vitest";
import type { SecretStore } from "../../src/ports/secret-store.ts";
import type { Opened } from "./opened.ts";
import { atOnce, oddTexts } from "./samples.ts";

export function secretStoreContract(name: string, open: () => Promise<Opened<SecretStore>>): void {
  describe(`the secret store: ${name}`, () => {
    test("takes the first candidate and keeps to it", async () => {
      const { store, another } = await open();
      expect(await store.getOrCreate("key", "first")).toBe("first");
      expect(await store.getOrCreate("key", "second")).toBe("first");
      expect(await (await another()).getOrCreate("key", "third")).toBe("first");
    });

    test("keeps a secret for each name", async () => {
      const { store } = await open();
      const names = ["key", "KEY", "key ", "key.part", "$key", ""];
      for (const each of names) expect(await store.getOrCreate(each, `of ${each}`)).toBe(`of ${each}`);
      for (const each of names) expect(await store.getOrCreate(each, "other")).toBe(`of ${each}`);
    });

    test("keeps every value as it was", async () => {
      const { store } = await open();
      for (const [index, text] of [...oddTexts, "x".repeat(100_000)].entries()) {
        expect(await store.getOrCreate(`name ${index}`, text)).toBe(text);
        expect(await store.getOrCreate(`name ${index}`, "other")).toBe(text);
      }
    });

    test("replaces what is expected, for one of many", async () => {
      const { store, another } = await open();
      await store.getOrCreate("key", "first");
      expect(await store.replace("key", "other", "second")).toBe(false);
      expect(await store.replace("nothing", "first", "second")).toBe(false);
      const stores = [store, await another()] as const;
      const won = await atOnce(20, (index) => stores[index % 2 === 0 ? 0 : 1].replace("key", "first", `of ${index}`));
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await store.getOrCreate("key", "late")).toBe(`of ${won.indexOf(true)}`);
    });

    test("gives 50 callers at once the same secret", async () => {
      const { store, another } = await open();
      const stores = [store, await another()] as const;
      const got = await atOnce(50, (index) => stores[index % 2 === 0 ? 0 : 1].getOrCreate("key", `of ${index}`));
      expect(new Set(got).size).toBe(1);
      expect(got[0]).toMatch(/^of \d+$/);
      expect(await store.getOrCreate("key", "late")).toBe(got[0]);
    });
  });
}
