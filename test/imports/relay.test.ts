import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { sqliteAuditStore } from "../../src/adapters/sqlite/audit-store.ts";
import { sqliteClientStore } from "../../src/adapters/sqlite/client-store.ts";
import { Audit } from "../../src/core/audit.ts";
import { ClientImports } from "../../src/core/imports/client-imports.ts";
import { relayClient } from "../../src/imports/relay.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";
import { sampleClient } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";

const manual = readFileSync(join(import.meta.dirname, "../../docs/moving.md"), "utf8");
const said = /^\| columns \| become \|\n(.*\n)+?\n/m.exec(manual)?.[0] ?? "";
const named = said
  .split("\n")
  .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, n]) => n));
const columns = named.filter((name) => name !== undefined);

describe("a client of the relay", () => {
  test("has the columns that the manual says, and no others", () => {
    expect(columns.length).toBeGreaterThan(30);
    const known = columns.filter((name) => !["name", "client_name"].includes(name));
    for (const name of known) expect(relayClient({ name: "a", [name]: "" }).name).toBe("a");
    expect(relayClient({ client_name: "a" }).name).toBe("a");
    for (const name of ["secret", "Name", "__proto__", "constructor"])
      expect(() => relayClient(JSON.parse(`{"name":"a","${name}":""}`))).toThrow(
        `the column ${name} is not understood`,
      );
  });

  test.each([
    [
      ["relay", "jobs:read"],
      ["relay", "jobs:read"],
    ],
    ["{relay,jobs:read}", ["relay", "jobs:read"]],
    ['{"relay","jobs:read"}', ["relay", "jobs:read"]],
    ['["relay", "jobs:read"]', ["relay", "jobs:read"]],
    ["relay jobs:read", ["relay", "jobs:read"]],
    ["relay, jobs:read", ["relay", "jobs:read"]],
    ["{}", undefined],
    ["[]", undefined],
    [[], undefined],
    ["", undefined],
    ["null", undefined],
    [null, undefined],
  ])("has scopes as %j", (scopes, list) => expect(relayClient({ name: "a", scopes }).scopes).toEqual(list));

  test.each([
    [20, 20],
    ["20", 20],
    ["20/minute", 20],
    ["20 per 1 minute", 20],
    ["20/min", 20],
    [0, null],
    ["0", null],
    [null, null],
  ])("has a limit as %j", (limit, count) =>
    expect(relayClient({ name: "a", rate_limit: limit }).limitPerMinute).toBe(count),
  );

  test.each(["20/hour", "-1", "1.5", "20/minutes", "many", {}])("has no limit as %j", (limit) =>
    expect(() => relayClient({ name: "a", rate_limit: limit })).toThrow(/^rate_limit: must be /),
  );

  test.each([
    [{ active: true }, false],
    [{ is_active: "f" }, true],
    [{ enabled: "No" }, true],
    [{ enabled: null }, false],
    [{ revoked: 1 }, true],
    [{ active: "t", disabled: "t" }, true],
  ])("is disabled or not as %j", (columns, disabled) =>
    expect(relayClient({ name: "a", ...columns }).disabled).toBe(disabled),
  );

  test.each(["maybe", "2", "constructor", {}])("is neither disabled nor not as %j", (active) =>
    expect(() => relayClient({ name: "a", active })).toThrow(/^active: must be true or false/),
  );

  test.each([
    ["2024-05-01 12:00:00+00", Date.UTC(2024, 4, 1, 12)],
    ["2024-05-01 12:00:00.123456+05:30", Date.UTC(2024, 4, 1, 6, 30, 0, 123)],
    ["2024-05-01T12:00:00.5-0200", Date.UTC(2024, 4, 1, 14, 0, 0, 500)],
    ["2024-05-01 12:00:00 Z", Date.UTC(2024, 4, 1, 12)],
    ["2024-05-01 12:00:00", Date.UTC(2024, 4, 1, 12)],
    ["", undefined],
  ])("was made %j", (created, at) => expect(relayClient({ name: "a", created }).createdAt).toBe(at));

  test.each([
    ["2024-05-01 12:00:00+00", Date.UTC(2024, 4, 1, 12)],
    ["infinity", null],
    ["", null],
  ])("expires %j", (expires_at, at) => expect(relayClient({ name: "a", expires_at }).expiresAt).toBe(at));

  test.each([
    "yesterday",
    "2024",
    "1714564800",
    "2024-13-01 00:00:00",
    "1969-12-31 23:59:59",
    "9999-12-31 23:59:59-12",
    "infinity",
    true,
  ])("was not made %j", (created) => expect(() => relayClient({ name: "a", created })).toThrow(/^created: must be /));
});

test("a client keeps its id here when it is renamed, and shares it with no other", async () => {
  const { db } = await openDatabase();
  const audit = new Audit({ audit: sqliteAuditStore(db), clock: Date.now, log: recordingLog() });
  const apiKeys = { issue: () => Promise.reject(new Error("a dry run makes no key")) };
  const [accounts, clients] = [sqliteAccountStore(db), sqliteClientStore(db)];
  const deps = { audit, accounts, clients, apiKeys, clock: Date.now, dryRun: true, scopes: undefined };
  const imports = new ClientImports({ ...deps, requestId: "dry" });
  const idOf = async (values: Record<string, unknown>) => {
    const made = await imports.take(relayClient(values));
    return made.outcome === "imported" ? made.id : undefined;
  };
  const first = { id: 7, name: "a", created: "2024-05-01 12:00:00" };
  const others = [
    { ...first, id: 8 },
    { ...first, created: "2024-05-01 12:00:01" },
    { ...first, created: "" },
    { id: 7, name: "b" },
    { name: "a" },
    { name: "b" },
  ];
  const ids = await Promise.all([first, ...others].map(idOf));
  expect(new Set(ids).size).toBe(ids.length);
  expect(await idOf({ ...first, name: "renamed", enabled: false })).toBe(ids[0]);
  await clients.insert(sampleClient({ id: ids[0] ?? "", name: "kept" }));
  expect(await imports.take(relayClient(first))).toEqual({ outcome: "there", id: ids[0], name: "kept" });
});

test("of two imports at once each client comes by one, and is there for the other", async () => {
  const { db } = await openDatabase();
  const [clients, events] = [sqliteClientStore(db), sqliteAuditStore(db)];
  const both = Promise.withResolvers<void>();
  let keys = 0;
  const apiKeys = {
    // Both have seen that the client is not there when either writes it.
    async issue(id: string) {
      keys += 1;
      const token = `key ${keys} of ${id}`;
      if (keys === 2) both.resolve();
      await both.promise;
      return { token, hash: `hash of ${token}` };
    },
  };
  const audit = new Audit({ audit: events, clock: Date.now, log: recordingLog() });
  const accounts = sqliteAccountStore(db);
  const deps = { audit, accounts, clients, apiKeys, clock: Date.now, dryRun: false, scopes: undefined };
  const imports = ["one", "other"].map((requestId) => new ClientImports({ ...deps, requestId }));
  const made = await Promise.all(imports.map((each) => each.take(relayClient({ id: 7, name: "mobile" }))));

  const imported = made.find(({ outcome }) => outcome === "imported");
  if (imported?.outcome !== "imported") throw new Error("neither imported it");
  const { id, key } = imported;
  expect(made).toContainEqual({ outcome: "there", id, name: "mobile" });
  expect((await clients.get(id))?.keyHash).toBe(`hash of ${key}`);
  expect(await events.list({ where: undefined, from: "", before: "~", limit: 9 })).toHaveLength(1);
});
