import { describe, expect, test } from "vitest";
import type { AccountStore } from "../../src/ports/account-store.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import type { Opened } from "./opened.ts";
import { atOnce, distinctKeys, growingNumbers, oddTexts, sampleAccount, sampleTime } from "./samples.ts";

export function accountStoreContract(name: string, open: () => Promise<Opened<AccountStore>>): void {
  describe(`the account store: ${name}`, () => {
    test("finds an account by its id and by its keys, field by field as it was", async () => {
      const { store, another } = await open();
      const account = sampleAccount({
        disabled: true,
        createdAt: sampleTime + 1,
        updatedAt: sampleTime + 2,
        version: 7,
      });
      await store.insert(account);
      for (const seen of [store, await another()]) {
        expect(await seen.get(account.id)).toStrictEqual(account);
        expect(await seen.findByUsername(account.usernameKey)).toStrictEqual(account);
        expect(await seen.findByEmail(account.emailKey)).toStrictEqual(account);
      }
    });

    test("finds nothing for what is not there", async () => {
      const { store } = await open();
      const account = sampleAccount();
      await store.insert(account);
      for (const text of ["", "nobody", "$gt", account.recordId]) {
        expect(await store.get(text)).toBeUndefined();
        expect(await store.findByUsername(text)).toBeUndefined();
        expect(await store.findByEmail(text)).toBeUndefined();
      }
      expect(await store.findByUsername(account.emailKey)).toBeUndefined();
      expect(await store.findByEmail(account.usernameKey)).toBeUndefined();
    });

    test("keeps an absent email as null", async () => {
      const { store } = await open();
      const first = sampleAccount({ email: null, emailKey: "first" });
      const second = sampleAccount({ email: null, emailKey: "second" });
      await store.insert(first);
      await store.insert(second);
      expect(await store.get(first.id)).toStrictEqual(first);
      expect(await store.findByEmail("second")).toStrictEqual(second);
    });

    test.each(["id", "recordId", "usernameKey", "emailKey"] as const)(
      "refuses a taken %s and stores nothing",
      async (key) => {
        const { store } = await open();
        const first = sampleAccount();
        const second = sampleAccount({ [key]: first[key] });
        await store.insert(first);
        await expect(store.insert(second)).rejects.toBeInstanceOf(DuplicateKey);
        expect(await store.get(first.id)).toStrictEqual(first);
        if (key !== "id") expect(await store.get(second.id)).toBeUndefined();
        if (key !== "usernameKey") expect(await store.findByUsername(second.usernameKey)).toBeUndefined();
        if (key !== "emailKey") expect(await store.findByEmail(second.emailKey)).toBeUndefined();
      },
    );

    test("lets one account's username be another's email key", async () => {
      const { store } = await open();
      await store.insert(sampleAccount({ usernameKey: "same", emailKey: "a" }));
      await store.insert(sampleAccount({ usernameKey: "b", emailKey: "same" }));
      expect((await store.findByUsername("same"))?.emailKey).toBe("a");
      expect((await store.findByEmail("same"))?.usernameKey).toBe("b");
    });

    test("compares keys byte by byte", async () => {
      const { store } = await open();
      const accounts = distinctKeys.map((key) => sampleAccount({ usernameKey: key, emailKey: key }));
      for (const account of accounts) await store.insert(account);
      for (const account of accounts) {
        expect((await store.findByUsername(account.usernameKey))?.id).toBe(account.id);
        expect((await store.findByEmail(account.emailKey))?.id).toBe(account.id);
      }
    });

    test("keeps every text as it was", async () => {
      const { store } = await open();
      for (const [index, text] of oddTexts.entries()) {
        const account = sampleAccount({ username: text, email: text, usernameKey: text, emailKey: `${index}${text}` });
        await store.insert(account);
        expect(await store.get(account.id)).toStrictEqual(account);
        expect(await store.findByUsername(text)).toStrictEqual(account);
      }
    });

    test("keeps every number as it was", async () => {
      const { store } = await open();
      for (const number of growingNumbers) {
        const account = sampleAccount({ createdAt: number, updatedAt: -number || 0, version: number });
        await store.insert(account);
        expect(await store.get(account.id)).toStrictEqual(account);
      }
    });

    test("knows whether there is an administrator", async () => {
      const { store, another } = await open();
      expect(await store.hasAdmin()).toBe(false);
      await store.insert(sampleAccount());
      await store.insert(sampleAccount({ username: "admin", usernameKey: "admin" }));
      expect(await store.hasAdmin()).toBe(false);
      await store.insert(sampleAccount({ role: "admin", disabled: true }));
      expect(await store.hasAdmin()).toBe(true);
      expect(await (await another()).hasAdmin()).toBe(true);
    });

    test("gives a name to one of many who take it at once", async () => {
      const { store, another } = await open();
      const stores = [store, await another()];
      const accounts = Array.from({ length: 20 }, () => sampleAccount({ usernameKey: "wanted" }));
      const insert = (index: number) => stores[index % 2]?.insert(accounts[index] ?? sampleAccount());
      const settled = await Promise.allSettled(accounts.map((_, index) => insert(index)));
      const winners = accounts.filter((_, index) => settled[index]?.status === "fulfilled");
      expect(winners).toHaveLength(1);
      expect(await store.findByUsername("wanted")).toStrictEqual(winners[0]);
      for (const result of settled) {
        if (result.status === "rejected") expect(result.reason).toBeInstanceOf(DuplicateKey);
      }
      const stored = await atOnce(20, (index) => store.get(accounts[index]?.id ?? ""));
      expect(stored.filter((account) => account !== undefined)).toStrictEqual(winners);
    });
  });
}
