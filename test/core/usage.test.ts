import { expect, test } from "vitest";
import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { sqliteUsageStore } from "../../src/adapters/sqlite/usage-store.ts";
import { AccountRecords } from "../../src/core/accounts/account-records.ts";
import { Usage } from "../../src/core/admission/usage.ts";
import type { UsageStore } from "../../src/ports/usage-store.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { sampleAccount } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";

test("a user's counts are deleted after all that were on their way to the store", async () => {
  const { db } = await openDatabase();
  const clock = movableClock();
  const store = sqliteUsageStore(db);
  const held = Promise.withResolvers<void>();
  const done: string[] = [];
  const slow: UsageStore = {
    ...store,
    async add(...day) {
      await held.promise;
      done.push("added");
      return store.add(...day);
    },
    deleteByUser(...user) {
      done.push("deleted");
      return store.deleteByUser(...user);
    },
  };
  const accountRecords = new AccountRecords(sqliteAccountStore(db), clock);
  const usage = new Usage({ usage: slow, accountRecords, dailyRequests: undefined, clock, log: recordingLog() });
  const user = { kind: "user", account: sampleAccount(), sessionId: "" } as const;
  await usage.count(user);
  const reads = [1, 2].map((days) => usage.list(user, { userId: "", days }));
  await new Promise(setImmediate);
  const deletion = usage.deleteOf(user.account.id);
  await new Promise(setImmediate);
  held.resolve();
  await Promise.all([...reads, deletion]);
  expect(done).toEqual(["added", "deleted"]);
});
