import { expect, test } from "vitest";
import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { sqliteClientStore } from "../../src/adapters/sqlite/client-store.ts";
import { Accounts, prepareAdmin } from "../../src/core/accounts/accounts.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";

/** Hashes at once, so that whoever waits for nothing else is first. */
const passwords = {
  hash: async (password: string) => `hash of ${password}`,
  verify: async () => false,
  confirm: async () => false,
  isCommon: () => false,
};

test("nobody takes the first administrator's name while its password is still being hashed", async () => {
  const { db } = await openDatabase();
  const clients = sqliteClientStore(db);
  const authentication = { confirm: async () => {} };
  const deps = { accounts: sqliteAccountStore(db), clients, passwords, clock: Date.now, signUpEnabled: true };
  const accounts = new Accounts({ ...deps, authentication });
  const hashing = Promise.withResolvers<void>();
  const adding = accounts.addAdmin(
    hashing.promise.then(() => prepareAdmin({ username: "admin", password: undefined }, passwords, Date.now)),
  );
  const signUp = accounts.signUp({ username: "Admin", email: "", password: "wild tulips in may" });
  setImmediate(hashing.resolve);
  await expect(signUp).rejects.toThrow("username: is taken");
  expect(await adding).toMatch(/^[\w-]{24}$/);
});
