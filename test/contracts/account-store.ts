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
        expect(await seen.findByRecordId(account.recordId)).toStrictEqual(account);
      }
    });

    test("replaces only the version before, all keys and fields of it", async () => {
      const { store, another } = await open();
      const account = sampleAccount({ version: 3 });
      await store.insert(account);
      const next = sampleAccount({ id: account.id, role: "admin", email: null, emailKey: account.id, version: 4 });
      for (const version of [1, 3, 5]) expect(await store.replace({ ...next, version })).toBe(false);
      expect(await store.get(account.id)).toStrictEqual(account);
      expect(await store.replace(next)).toBe(true);
      for (const seen of [store, await another()]) {
        expect(await seen.findByUsername(next.usernameKey)).toStrictEqual(next);
        expect(await seen.findByRecordId(next.recordId)).toStrictEqual(next);
        expect(await seen.listAdmins(9)).toStrictEqual([next]);
        expect(await seen.findByUsername(account.usernameKey)).toBeUndefined();
        expect(await seen.findByEmail(account.emailKey)).toBeUndefined();
      }
      expect(await store.replace(sampleAccount({ version: 2 }))).toBe(false);
    });

    test.each(["recordId", "usernameKey", "emailKey"] as const)("replaces nothing by another's %s", async (key) => {
      const { store } = await open();
      const [first, second] = [sampleAccount(), sampleAccount()];
      await store.insert(first);
      await store.insert(second);
      await expect(store.replace({ ...second, [key]: first[key], version: 2 })).rejects.toBeInstanceOf(DuplicateKey);
      expect(await store.get(second.id)).toStrictEqual(second);
    });

    test("deletes an account and frees its keys", async () => {
      const { store } = await open();
      const account = sampleAccount();
      await store.insert(account);
      expect(await store.delete(account.id)).toBe(true);
      expect(await store.delete(account.id)).toBe(false);
      expect(await store.get(account.id)).toBeUndefined();
      await store.insert(sampleAccount({ usernameKey: account.usernameKey, emailKey: account.emailKey }));
    });

    test.each(["usernameKey", "emailKey"] as const)("lists by what the %s begins with, page by page", async (by) => {
      const { store } = await open();
      const keys = ["ann", "anna", "annab", "anna\u{10FFFD}", "annb", "Anna", "anno.$gt", "bann", "ännä"];
      for (const key of keys) await store.insert(sampleAccount({ [by]: key }));
      const list = async (prefix: string, after: string | undefined, limit: number) =>
        (await store.list({ by, prefix, after, limit })).map((account) => account[by]);
      expect(await list("ann", undefined, 3)).toEqual(["ann", "anna", "annab"]);
      expect(await list("ann", "annab", 9)).toEqual(["anna\u{10FFFD}", "annb", "anno.$gt"]);
      for (const before of ["", "ab", "am\u{10FFFD}"]) expect(await list("ann", before, 1)).toEqual(["ann"]);
      expect(await list("ann", "ao", 9)).toEqual([]);
      expect(await list("anna", undefined, 9)).toEqual(["anna", "annab", "anna\u{10FFFD}"]);
      expect(await list("", undefined, 99)).toHaveLength(keys.length);
      expect(await list("$gt", undefined, 9)).toEqual([]);
    });

    test("tells those that were deleted", async () => {
      const { store, another } = await open();
      const deleted = sampleAccount({ deletedAt: sampleTime });
      await store.insert(sampleAccount());
      await store.insert(deleted);
      await store.insert(sampleAccount({ disabled: true }));
      const later = sampleAccount();
      await store.insert(later);
      await store.replace({ ...later, deletedAt: sampleTime, version: later.version + 1 });
      for (const seen of [store, await another()]) {
        expect((await seen.listDeleted(9)).map(({ id }) => id).toSorted()).toEqual([deleted.id, later.id].toSorted());
        expect(await seen.listDeleted(1)).toHaveLength(1);
      }
      await store.delete(deleted.id);
      expect((await store.listDeleted(9)).map(({ id }) => id)).toEqual([later.id]);
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

    test("tells the administrators", async () => {
      const { store, another } = await open();
      await store.insert(sampleAccount());
      await store.insert(sampleAccount({ username: "admin", usernameKey: "admin" }));
      expect(await store.listAdmins(9)).toEqual([]);
      const admins = [sampleAccount({ role: "admin", disabled: true }), sampleAccount({ role: "admin" })];
      for (const admin of admins) await store.insert(admin);
      for (const seen of [store, await another()]) {
        const found = await seen.listAdmins(9);
        expect(found).toHaveLength(2);
        expect(found).toEqual(expect.arrayContaining(admins));
        expect(await seen.listAdmins(1)).toHaveLength(1);
      }
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
