import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { sqliteAuditStore } from "../../src/adapters/sqlite/audit-store.ts";
import { sqliteClientStore } from "../../src/adapters/sqlite/client-store.ts";
import { sqliteCounterStore } from "../../src/adapters/sqlite/counter-store.ts";
import { Database } from "../../src/adapters/sqlite/database.ts";
import { sqliteFileStore } from "../../src/adapters/sqlite/file-store.ts";
import { sqliteImageStore } from "../../src/adapters/sqlite/image-store.ts";
import { sqliteJobStore } from "../../src/adapters/sqlite/job-store.ts";
import { sqliteSecretStore } from "../../src/adapters/sqlite/secret-store.ts";
import { sqliteSessionStore } from "../../src/adapters/sqlite/session-store.ts";
import { sqliteSignInAttemptStore } from "../../src/adapters/sqlite/sign-in-attempt-store.ts";
import { databaseMigrations, queueMigrations } from "../../src/adapters/sqlite/tables.ts";
import { sqliteUsageStore } from "../../src/adapters/sqlite/usage-store.ts";
import { accountStoreContract } from "../contracts/account-store.ts";
import { attemptStoreContract } from "../contracts/attempt-store.ts";
import { auditStoreContract } from "../contracts/audit-store.ts";
import { clientStoreContract } from "../contracts/client-store.ts";
import { counterStoreContract } from "../contracts/counter-store.ts";
import { fileStoreContract } from "../contracts/file-store.ts";
import { imageStoreContract } from "../contracts/image-store.ts";
import { jobStoreContract } from "../contracts/job-store.ts";
import { queueContract } from "../contracts/queue.ts";
import { secretStoreContract } from "../contracts/secret-store.ts";
import { sessionStoreContract } from "../contracts/session-store.ts";
import { usageStoreContract } from "../contracts/usage-store.ts";
import { openedStore, sqliteQueueHarness } from "./sqlite-harness.ts";

const read = vi.spyOn(Database.prototype, "read");
const write = vi.spyOn(Database.prototype, "writeAll");
const statements = new Set<string>();
afterEach(() => {
  for (const [sql] of read.mock.calls) statements.add(sql);
  for (const [unit] of write.mock.calls) for (const { sql } of unit) statements.add(sql);
});
afterAll(() => {
  read.mockRestore();
  write.mockRestore();
});

accountStoreContract("SQLite", () => openedStore(sqliteAccountStore));
sessionStoreContract("SQLite", () => openedStore(sqliteSessionStore));
clientStoreContract("SQLite", () => openedStore(sqliteClientStore));
auditStoreContract("SQLite", () => openedStore(sqliteAuditStore));
attemptStoreContract("SQLite", () => openedStore(sqliteSignInAttemptStore));
counterStoreContract("SQLite", () => openedStore(sqliteCounterStore));
usageStoreContract("SQLite", () => openedStore(sqliteUsageStore));
jobStoreContract("SQLite", (due) => openedStore((db) => sqliteJobStore(db, due)));
fileStoreContract("SQLite", () => openedStore(sqliteFileStore));
imageStoreContract("SQLite", () => openedStore(sqliteImageStore));
secretStoreContract("SQLite", () => openedStore(sqliteSecretStore));
queueContract("SQLite", sqliteQueueHarness);

// The last, since it is about every statement that the suites have made.
test("every statement is led to its rows by an index, and gives them in its order", () => {
  const db = new DatabaseSync(":memory:");
  for (const script of [...databaseMigrations, ...queueMigrations]) db.exec(script);
  expect(statements.size).toBeGreaterThan(50);
  const planOf = (sql: string) => db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
  const plans = [...statements].map((sql) => ({ sql, plan: planOf(sql).map(({ detail }) => String(detail)) }));
  expect(plans.filter((each) => readsAll(each) || sorts(each))).toEqual([]);
});

interface Planned {
  readonly sql: string;
  readonly plan: readonly string[];
}

/** Of a table, or of an index without an end. */
function readsAll({ sql, plan }: Planned): boolean {
  return plan.some((line) => /^SCAN \w+$/.test(line) || (/^SCAN \w+ USING /.test(line) && !sql.includes(" LIMIT ?")));
}

/** More than the pages, one for each of several states, that become one. */
function sorts({ plan }: Planned): boolean {
  return plan.some((line) => line.startsWith("USE TEMP B-TREE")) && !plan.includes("UNION ALL");
}
