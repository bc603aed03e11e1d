import { expect, test } from "vitest";
import { sqliteSignInAttemptStore } from "../../src/adapters/sqlite/sign-in-attempt-store.ts";
import { Guessing } from "../../src/core/accounts/guessing.ts";
import { DomainError } from "../../src/model/errors.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { atOnce } from "../contracts/samples.ts";

const slowed = { code: "resource_exhausted", reason: "TOO_MANY_ATTEMPTS" };
const wrong = async () => false;
const right = async () => true;

async function opened() {
  const { db } = await openDatabase();
  const clock = movableClock();
  return { clock, guessing: new Guessing({ attempts: sqliteSignInAttemptStore(db), clock }) };
}

test("a locked address is free again after its time, and another was free all along", async () => {
  const { guessing, clock } = await opened();
  for (let tries = 1; tries <= 10; tries++) {
    expect(await guessing.guard("account", "192.0.2.1", wrong)).toBe(false);
    clock.advance(tries < 10 ? 16_000 : 0);
  }
  await expect(guessing.guard("account", "::ffff:192.0.2.1", right)).rejects.toMatchObject(slowed);
  expect(await guessing.guard("account", "192.0.2.2", right)).toBe(true);
  expect(await guessing.guard("another", "192.0.2.1", right)).toBe(true);
  clock.advance(15 * 60_000 - 1);
  await expect(guessing.guard("account", "192.0.2.1", right)).rejects.toMatchObject({ retryAfterMs: 1 });
  clock.advance(1);
  expect(await guessing.guard("account", "192.0.2.1", right)).toBe(true);
});

test("of the first tries at once each is made and counts", async () => {
  const { guessing } = await opened();
  const tries = () => guessing.guard("account", "192.0.2.1", wrong);
  expect(await atOnce(4, tries)).toEqual([false, false, false, false]);
  expect(await tries()).toBe(false);
  await expect(tries()).rejects.toMatchObject(slowed);
});

test("tries that could not be made lock nobody, and clear nothing", async () => {
  const { guessing } = await opened();
  const busy = () => Promise.reject(new DomainError("resource_exhausted", "PASSWORDS_BUSY", "busy"));
  for (let tries = 0; tries < 4; tries++) await guessing.guard("account", "a", wrong);
  for (let tries = 0; tries < 30; tries++) {
    await expect(guessing.guard("account", "a", busy)).rejects.toMatchObject({ reason: "PASSWORDS_BUSY" });
  }
  expect(await guessing.guard("account", "a", wrong)).toBe(false);
  await expect(guessing.guard("account", "a", right)).rejects.toMatchObject(slowed);
});

test("of one account's tries from one address 64 are made or wait, and keep no other from its own", async () => {
  const { guessing } = await opened();
  const checked = Promise.withResolvers<boolean>();
  const checking = () => checked.promise;
  const tries = Array.from({ length: 64 }, () => guessing.guard("account", "192.0.2.1", checking));
  await expect(guessing.guard("account", "192.0.2.1", right)).rejects.toMatchObject({ ...slowed, retryAfterMs: 1000 });
  expect(await guessing.guard("account", "192.0.2.2", right)).toBe(true);
  expect(await guessing.guard("another", "192.0.2.1", right)).toBe(true);
  checked.resolve(true);
  expect(new Set(await Promise.all(tries))).toEqual(new Set([true]));
});

test("of tries that are held a thousand wait at a time, and each makes room for another", async () => {
  const failed = (id: string) => ({ id, failures: 20, lastAt: 0, addresses: [], version: 1 });
  const attempts = {
    get: async (id: string) => (id === "fresh" ? undefined : failed(id)),
    insert: async () => {},
    replace: async () => true,
    delete: async () => {},
    deleteBefore: async () => 0,
  };
  const guessing = new Guessing({ attempts, clock: () => 0 });
  async function orderOf(accounts: readonly string[]): Promise<string[]> {
    const ended: string[] = [];
    const tries = accounts.map((account) =>
      guessing.guard(account, "192.0.2.1", wrong).then(() => void ended.push(account)),
    );
    await Promise.all(tries);
    return ended;
  }
  const held = Array.from({ length: 1000 }, (_, index) => `held ${index}`);
  expect((await orderOf([...held, "one more"]))[0]).toBe("one more");
  expect(await orderOf(["held", "fresh"])).toEqual(["fresh", "held"]);
});

test("a stranger on many networks does not keep the owner out", async () => {
  const { guessing } = await opened();
  for (let network = 0; network < 20; network++) await guessing.guard("account", `2001:db8:0:${network}::1`, wrong);
  const attempts = atOnce(5, (network) => guessing.guard("account", `2001:db8:1:${network}::1`, wrong));
  expect(await guessing.guard("account", "198.51.100.7", right)).toBe(true);
  expect(await attempts).toEqual([false, false, false, false, false]);
});
