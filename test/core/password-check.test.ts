import bcrypt from "bcrypt";
import { expect, test } from "vitest";
import { sqliteSignInAttemptStore } from "../../src/adapters/sqlite/sign-in-attempt-store.ts";
import { Guessing } from "../../src/core/accounts/guessing.ts";
import { checkPassword } from "../../src/core/accounts/password-check.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";
import { sampleAccount } from "../contracts/samples.ts";
import { quickPasswords } from "../support/passwords.ts";

test("however many are asked for their password again, who signs in comes before most of them", async () => {
  const { db } = await openDatabase();
  const guessing = new Guessing({ attempts: sqliteSignInAttemptStore(db), clock: Date.now });
  const passwords = quickPasswords();
  const passwordHash = bcrypt.hashSync("right", 8);
  const deps = { authentication: { confirm: async () => {} }, guessing, passwords };
  let checked = 0;
  const asked = Array.from({ length: 60 }, async (_, index) => {
    const account = sampleAccount({ id: `account ${index}`, passwordHash });
    const by = { kind: "user", account, sessionId: "" } as const;
    await checkPassword(deps, by, "192.0.2.1", { password: "right", field: "password" });
    checked += 1;
  });
  await asked[0];
  expect(await passwords.verify("right", passwordHash)).toBe(true);
  expect(checked).toBeLessThan(30);
  await Promise.all(asked);
});
