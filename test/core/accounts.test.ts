import { expect, test } from "vitest";
import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { sqliteClientStore } from "../../src/adapters/sqlite/client-store.ts";
import { Accounts, prepareAdmin } from "../../src/core/accounts/accounts.ts";
import { StoreUnavailable } from "../../src/ports/store-errors.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";

/** Hashes at once, so that whoever waits for nothing else is first. */
const passwords = {
  hash: async (password: string) => `hash of ${password}`,
  verify: async () => false,
  confirm: async () => false,
  isCommon: () => false,
};

async function opened() {
  const { db } = await openDatabase();
  const store = sqliteAccountStore(db);
  const authentication = { confirm: async () => {} };
  const clients = sqliteClientStore(db);
  const deps = { accounts: store, clients, passwords, clock: Date.now, signUpEnabled: true, authentication };
  return { store, accounts: new Accounts(deps) };
}

const prepared = () => prepareAdmin({ username: "admin", password: undefined }, passwords, Date.now);

test("the first administrator's password is told even if the answer to its write was lost", async () => {
  const { store, accounts } = await opened();
  const { insert } = store;
  store.insert = async (account) => {
    await insert(account);
    throw new StoreUnavailable();
  };
  expect(await accounts.addAdmin(prepared())).toMatch(/^[\w-]{24}$/);
  // Another server's, which made it first.
  expect(await accounts.addAdmin(prepared())).toBeUndefined();
});

test("nobody takes the first administrator's name while its password is still being hashed", async () => {
  const { accounts } = await opened();
  const hashing = Promise.withResolvers<void>();
  const adding = accounts.addAdmin(hashing.promise.then(prepared));
  const signUp = accounts.signUp({ username: "Admin", email: "", password: "wild tulips in may" });
  setImmediate(hashing.resolve);
  await expect(signUp).rejects.toThrow("username: is taken");
  expect(await adding).toMatch(/^[\w-]{24}$/);
});
