import { randomUUID } from "node:crypto";
import { existsSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openStores, type Stores } from "../../src/app/backends.ts";
import type { Report } from "../../src/app/import-app.ts";
import { bearer } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { buried } from "../../src/model/account.ts";
import { recordingLog } from "../support/log.ts";
import { describeOnMongodb } from "../support/mongodb.ts";
import { type Cell, hashed, type OldRecord, supabaseRow, toCsv, writePocketBase } from "../support/old-systems.ts";
import { run, runInto } from "../support/process.ts";
import { refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signInAdmin } from "../support/server.ts";

type Env = Readonly<Record<string, string>>;

/** What becomes of each record. Nothing of it may be a hash. */
async function imported(env: Env, ...args: string[]): Promise<{ code: number | null; all: Report[]; stderr: string }> {
  const { code, stdout, stderr } = await run(["import", ...args, "--json"], env).finished;
  expect(stdout + stderr).not.toMatch(/\$2[aby]\$\d/);
  const lines = stdout.split("\n").filter(Boolean);
  return { code, stderr, all: lines.map((line): Report => JSON.parse(line)) };
}

async function withStores<T>(env: Env, look: (stores: Stores) => Promise<T>): Promise<T> {
  const stores = await openStores(readServerConfig(env), recordingLog());
  try {
    return await look(stores);
  } finally {
    await stores.close();
  }
}

/** Where a server has been started, as it must be before; it runs on. */
async function place() {
  const { dataDir, auth } = await serve({}, { worker: false });
  const directory = scratchDirectory();
  return { auth, env: { DARKROOM_DATA_DIR: dataDir }, file: (name: string) => join(directory, name) };
}

function written(path: string, text: string): string {
  writeFileSync(path, text);
  return path;
}

const recordId = (number: number) => `record${String(number).padStart(9, "0")}`;
const ada: OldRecord = {
  id: "kapmnutzdvwttnf",
  username: "Ada.L",
  email: "Ada@Example.org",
  hash: hashed("pocket"),
  name: 'Ada "the first"\nLovelace 🦋',
  avatar: "ada_x1.png",
  verified: true,
};

test("who signed in to PocketBase signs in here, by the old password, name and address", async () => {
  const { auth, env, file } = await place();
  const odd = "<bob@ｅxample.org>";
  const bob = { id: recordId(1), username: "bob", email: odd, hash: hashed("bobs", "2y"), emailVisibility: true };
  const data = writePocketBase(file("data.db"), "0.22", [ada, bob]);
  const { code, all } = await imported(env, "pocketbase", data);
  expect(code).toBe(0);
  expect(all).toEqual([
    { place: `record ${ada.id}`, outcome: "imported", id: expect.any(String), notes: [] },
    { place: `record ${bob.id}`, outcome: "imported", id: expect.any(String), notes: [] },
  ]);
  await withStores(env, async ({ accounts }) => {
    expect(await accounts.findByRecordId(ada.id)).toMatchObject({
      username: "Ada.L",
      email: "Ada@Example.org",
      metadata: { name: ada.name, avatar: ada.avatar, verified: true },
      createdAt: Date.UTC(2022, 10, 22, 2, 24, 23, 329),
      role: "user",
      disabled: false,
    });
    expect((await accounts.findByRecordId(bob.id))?.metadata).toEqual({ emailVisibility: true });
  });
  for (const identity of ["ada.l", "ADA@example.org"]) {
    const { account } = await auth.login({ identity, password: "pocket" });
    expect(account?.username).toBe("Ada.L");
  }
  for (const identity of ["bob", odd]) await auth.login({ identity, password: "bobs" });
  expect(await refusal(auth.requestPasswordReset({ email: odd }))).toMatchObject({ reason: "MAIL_NOT_SET_UP" });
  expect(await refusal(auth.login({ identity: "bob", password: "pocket" }))).toMatchObject({ reason: "LOGIN_FAILED" });

  const admin = await signInAdmin({ auth });
  const { events } = await auth.listAuditEvents({ action: "user.imported" }, admin.credential);
  expect(events.map(({ actor, target }) => [actor, target])).toEqual(
    all.map((report) => ["operator", `user:${"id" in report && report.id}`]).toReversed(),
  );
});

test("PocketBase's users without names get one", async () => {
  const { auth, env, file } = await place();
  await imported(env, "pocketbase", writePocketBase(file("data.db"), "0.23", [ada]));
  const { account } = await auth.login({ identity: "ada@example.org", password: "pocket" });
  expect(account?.username).toBe(`user-${ada.id}`);
});

test("the same again is there already, and what was changed here since stays", async () => {
  const { env, file } = await place();
  const data = writePocketBase(file("data.db"), "0.22", [ada]);
  await imported(env, "pocketbase", data);
  const changed = await withStores(env, async ({ accounts }) => {
    const account = await accounts.findByRecordId(ada.id);
    if (account === undefined) throw new Error("it is not there");
    const next = { ...account, username: "countess", usernameKey: "countess", email: null, emailKey: account.id };
    await accounts.replace({ ...next, version: 2 });
    return { ...next, version: 2 };
  });
  const { code, all } = await imported(env, "pocketbase", data);
  expect([code, all]).toEqual([0, [{ place: `record ${ada.id}`, outcome: "there", id: changed.id }]]);
  await withStores(env, async ({ accounts, audit }) => {
    expect(await accounts.findByRecordId(ada.id)).toEqual(changed);
    expect(await audit.list({ where: undefined, from: "", before: "~", limit: 9 })).toHaveLength(1);
  });
});

test("what breaks a rule or is another's is refused by its field, and the rest comes in", async () => {
  const { env, file } = await place();
  const hash = hashed("pocket");
  const wrong: [OldRecord, string][] = [
    [{ id: recordId(1), username: "ADA.L", hash }, "username: is another account's"],
    [{ id: recordId(2), username: "x", email: "ada@example.ORG", hash }, "username: must be 3 to 64 of"],
    [{ id: recordId(3), username: "cy", email: "ada", hash }, "email: must be an email address"],
    [{ id: recordId(4), email: "ada@example.org", hash }, "email: is another account's"],
    [{ id: recordId(5), username: "dan", hash: hash.slice(0, -1) }, "password: must be a bcrypt hash"],
    [{ id: recordId(6), username: "eve", hash: hash.replace("$04$", "$16$") }, "password: must be a bcrypt hash"],
    [{ id: recordId(7), username: "fay", hash: "$argon2id$v=19$" }, "password: must be a bcrypt hash"],
    [
      { id: recordId(8), username: "gil", hash, name: "n".repeat(17_000) },
      "name, avatar: must have at most 16384 bytes",
    ],
    [
      { id: recordId(9), username: "hal", hash, created: "yesterday" },
      "created: must be a time of the years 1970 to 9999",
    ],
    [{ id: "UPPERCASELETTER", username: "ike", hash }, "id: must be 15 of a–z and 0–9"],
  ];
  const nobody: OldRecord = { id: recordId(98) };
  const last: OldRecord = { id: recordId(99), username: "zoe", hash };
  const data = writePocketBase(file("data.db"), "0.22", [ada, ...wrong.map(([record]) => record), nobody, last]);
  const { code, all, stderr } = await imported(env, "pocketbase", data);
  expect([code, stderr]).toEqual([1, "darkroom: 10 refused: set them right and repeat, or leave them\n"]);
  const outcomes = ["imported", ...wrong.map(() => "refused"), "left", "imported"];
  expect(all.map(({ outcome }) => outcome)).toEqual(outcomes);
  for (const [index, [, reason]] of wrong.entries())
    expect(all[index + 1]).toMatchObject({ reason: expect.stringContaining(reason) });
  expect(all.at(-3)).toMatchObject({ place: "row 11" });
  expect(all.at(-2)).toMatchObject({ reason: "has neither a name nor an address to sign in by" });
});

test("whoever was deleted a moment ago is refused, and not told to be there", async () => {
  const { env, file } = await place();
  const person = supabaseRow();
  const data = written(file("users"), toCsv([person]));
  await imported(env, "supabase", data);
  await withStores(env, async ({ accounts }) => {
    const account = await accounts.get(String(person.id));
    if (account !== undefined) await accounts.replace(buried({ ...account, version: account.version + 1 }, Date.now()));
  });
  const { code, all } = await imported(env, "supabase", data);
  expect([code, all]).toMatchObject([1, [{ outcome: "refused", reason: expect.stringContaining("was deleted") }]]);
});

test("a user whose name is a client's id is refused", async () => {
  const { env, file } = await place();
  const list = written(file("clients.json"), JSON.stringify([mobile]));
  const [client] = (await imported(env, "relay", list)).all;
  if (client?.outcome !== "imported") throw new Error("the client was not imported");
  const user = { id: recordId(1), username: client.id.toUpperCase(), hash: hashed("pocket") };
  const { code, all } = await imported(env, "pocketbase", writePocketBase(file("data.db"), "0.22", [user]));
  expect([code, all]).toMatchObject([1, [{ outcome: "refused", reason: "username: is a client's id" }]]);
});

test("a client whose id would be a user's name is refused, until nobody has the name", async () => {
  const { auth, env, file } = await place();
  const list = written(file("clients.json"), JSON.stringify([mobile]));
  const [told] = (await imported(env, "relay", list, "--dry-run")).all;
  if (told?.outcome !== "imported") throw new Error("the client could not be imported");
  const [username, password] = [told.id.toUpperCase(), "a long enough one"];
  await auth.signUp({ username, password });
  const reason = `id: becomes ${told.id}, which is an account's username`;
  for (const options of [["--dry-run"], []]) {
    const { code, all } = await imported(env, "relay", list, ...options);
    expect([code, all]).toMatchObject([1, [{ outcome: "refused", reason }]]);
  }
  const { tokens } = await auth.login({ identity: username, password });
  await auth.deleteProfile({ password }, bearer(tokens?.accessToken ?? ""));
  expect((await imported(env, "relay", list)).all).toMatchObject([{ outcome: "imported", id: told.id }]);
});

test("another record with the same id is refused", async () => {
  const { env, file } = await place();
  await imported(env, "pocketbase", writePocketBase(file("one.db"), "0.22", [ada]));
  const other = { ...ada, username: "other", email: "", created: "2023-01-01 00:00:00.000Z" };
  const { code, all } = await imported(env, "pocketbase", writePocketBase(file("two.db"), "0.22", [other]));
  expect([code, all]).toMatchObject([1, [{ outcome: "refused", reason: "id: is another account's" }]]);
});

const people = {
  plain: supabaseRow({
    email: "plain@example.org",
    confirmation_token: 'two "\r\nlines',
    raw_user_meta_data: {
      sub: "x",
      email: "x",
      email_verified: true,
      phone_verified: false,
      note: 'a "quoted",\r\nline 🦋',
      deep: { a: [1, null] },
    },
  }),
  banned: supabaseRow({ email: "banned@example.org", banned_until: "2999-01-01 00:00:00+00" }),
  forEver: supabaseRow({ email: "ever@example.org", banned_until: "infinity", raw_user_meta_data: "null" }),
  free: supabaseRow({ email: "free@example.org", banned_until: "2020-01-01 00:00:00+00" }),
  oauth: supabaseRow({ email: "oauth@example.org", encrypted_password: "" }),
  deleted: supabaseRow({ deleted_at: "2024-01-01 00:00:00+00" }),
  anonymous: supabaseRow({ is_anonymous: true, email: null, encrypted_password: "" }),
  sso: supabaseRow({ is_sso_user: true, email: "plain@example.org", encrypted_password: null }),
  phone: supabaseRow({ email: null, phone: "4912345" }),
  strange: supabaseRow({ raw_user_meta_data: "[1]" }),
  broken: supabaseRow({ raw_user_meta_data: "{" }),
  noUuid: supabaseRow({ id: "kapmnutzdvwttnf" }),
} satisfies Record<string, Record<string, Cell>>;

const outcomes = [
  { outcome: "imported", id: people.plain.id, notes: [] },
  { outcome: "imported", id: people.banned.id, notes: ["is banned: the account is disabled"] },
  { outcome: "imported", id: people.forEver.id, notes: ["is banned: the account is disabled"] },
  { outcome: "imported", id: people.free.id, notes: [] },
  { outcome: "imported", id: people.oauth.id, notes: ["has no password: a reset sets one"] },
  { outcome: "left", reason: "was deleted" },
  { outcome: "left", reason: "is anonymous" },
  { outcome: "left", reason: "signs in by single sign-on, which Darkroom has not" },
  { outcome: "left", reason: "has neither a name nor an address to sign in by" },
  { outcome: "refused", reason: "raw_user_meta_data: must be a JSON object" },
  { outcome: "refused", reason: "raw_user_meta_data: must be a JSON object" },
  { outcome: "refused", reason: "id: must be a UUID in lower case" },
];

test.each([
  ["CSV", toCsv(Object.values(people)), "line"],
  [
    "CSV with a mark and Windows' line ends",
    `\uFEFF${toCsv(Object.values(people)).replaceAll(/(?<!\r)\n/g, "\r\n")}`,
    "line",
  ],
  ["JSON", JSON.stringify(Object.values(people)), "record"],
])("Supabase's users come by %s", async (_, text, unit) => {
  const { auth, env, file } = await place();
  const { code, all } = await imported(env, "supabase", written(file("users"), text));
  expect(code).toBe(1);
  expect(all.map(({ place: _place, ...rest }) => rest)).toEqual(outcomes);
  // The first record is two lines long in CSV.
  const lines = outcomes.map((_outcome, index) => `line ${index + (index === 0 ? 2 : 3)}`);
  expect(all.map((report) => report.place)).toEqual(
    unit === "line" ? lines : outcomes.map((_outcome, index) => `record ${index + 1}`),
  );
  await withStores(env, async ({ accounts }) => {
    expect(await accounts.get(String(people.plain.id))).toMatchObject({
      email: "plain@example.org",
      recordId: expect.stringMatching(/^[a-z0-9]{15}$/),
      username: expect.stringMatching(/^user-[a-z0-9]{15}$/),
      metadata: { note: expect.stringMatching(/^a "quoted",\r?\nline 🦋$/), deep: { a: [1, null] } },
      createdAt: Date.UTC(2023, 10, 20, 10, 11, 12, 345),
    });
    expect(Object.keys((await accounts.get(String(people.plain.id)))?.metadata ?? {})).toEqual(["note", "deep"]);
  });
  const password = "the old password";
  for (const name of ["plain", "free"]) await auth.login({ identity: `${name}@example.org`, password });
  for (const name of ["banned", "ever", "oauth"]) {
    const failed = auth.login({ identity: `${name}@example.org`, password });
    expect(await refusal(failed)).toMatchObject({ reason: "LOGIN_FAILED" });
  }
});

test("empty lines of CSV count as lines, and what may stand before a JSON array counts for nothing", async () => {
  const { env, file } = await place();
  const rows = [supabaseRow(), supabaseRow()];
  const gaps = toCsv(rows).replaceAll("\n", "\n\n");
  const csv = await imported(env, "supabase", written(file("users.csv"), gaps));
  expect(csv.all).toMatchObject([
    { place: "line 3", outcome: "imported" },
    { place: "line 5", outcome: "imported" },
  ]);
  const json = await imported(env, "supabase", written(file("users.json"), `\uFEFF\r\n ${JSON.stringify(rows)}`));
  expect(json.all).toMatchObject([{ outcome: "there" }, { outcome: "there" }]);
});

const mobile = {
  id: 7,
  name: "mobile",
  description: 'the "app", for\nphones',
  permissions: "{relay,jobs:read}",
  rate_limit: "20/minute",
  is_active: true,
  api_key_hash: hashed("old key"),
  created_at: "2024-05-01 12:00:00+00",
  last_used_at: null,
};
const clients = [
  mobile,
  { ...mobile, id: 8, name: "closed", permissions: null, rate_limit: null, is_active: false },
  { ...mobile, id: 9, name: "none", permissions: "{}" },
  { ...mobile, id: 10, name: "boss", permissions: "{admin}" },
  { ...mobile, id: 11, name: "talker", permissions: "{chat,history}" },
  { ...mobile, id: 12, name: "slow", rate_limit: "5/hour" },
  { ...mobile, id: 13, name: "n".repeat(101) },
];

test("the relay's clients get new keys, shown once", async () => {
  const { auth, env, file } = await place();
  const path = written(file("clients.csv"), toCsv(clients));
  const { code, all } = await imported(env, "relay", path);
  const key = expect.stringMatching(/^dk_[a-z0-9]{16}_/);
  expect(code).toBe(1);
  expect(all).toMatchObject([
    { outcome: "imported", name: "mobile", key, notes: [] },
    { outcome: "imported", name: "closed", key, notes: ["is disabled"] },
    { outcome: "imported", name: "none", key, notes: [] },
    {
      outcome: "refused",
      reason: expect.stringMatching(/^permissions: must be any of: jobs:submit, .*relay; or choose/),
    },
    { outcome: "refused", reason: expect.stringMatching(/^permissions: must be any of: /) },
    { outcome: "refused", reason: "rate_limit: must be calls a minute, such as 100 or 100/minute" },
    { outcome: "refused", reason: "name: must have at most 100 characters" },
  ]);
  const [first = "", second = "", third = ""] = all.map((report) => ("key" in report ? (report.key ?? "") : ""));
  const id = (all[0] as { id: string }).id;
  await withStores(env, async ({ clients: stored }) =>
    expect(await stored.get(id)).toMatchObject({
      description: mobile.description,
      scopes: ["jobs:read", "relay"],
      limitPerMinute: 20,
      createdAt: Date.UTC(2024, 4, 1, 12),
    }),
  );
  expect((await auth.exchangeApiKey({ apiKey: first })).scopes).toEqual(["jobs:read", "relay"]);
  expect(await refusal(auth.exchangeApiKey({ apiKey: second }))).toMatchObject({ code: "Unauthenticated" });
  expect((await auth.exchangeApiKey({ apiKey: third })).scopes).toEqual(["relay"]);

  const again = await imported(env, "relay", path);
  expect(again.all.slice(0, 2)).toEqual([
    { place: "line 2", outcome: "there", id, name: "mobile" },
    { place: "line 4", outcome: "there", id: expect.any(String), name: "closed" },
  ]);
  const chosen = await imported(env, "relay", path, "--scope", "relay");
  expect(chosen.all.slice(3, 5)).toMatchObject([
    { outcome: "imported", name: "boss" },
    { outcome: "imported", name: "talker" },
  ]);
  const unknown = await imported(env, "relay", path, "--scope", "all");
  expect(unknown.all[0]).toMatchObject({ reason: expect.stringMatching(/^--scope: must be any of: /) });
});

test("people read what needs their eyes, and the numbers", async () => {
  const { env, file } = await place();
  const row = { name: "red\u001b[31m", enabled: "yes" };
  const shut = { name: "shut", enabled: "no" };
  const path = written(file("clients.json"), JSON.stringify([row, row, { name: "" }, shut]));
  const { code, stdout, stderr } = await run(["import", "relay", path], env).finished;
  expect([code, stderr]).toEqual([1, "darkroom: 1 refused: set them right and repeat, or leave them\n"]);
  expect(stdout).toMatch(
    /^record 1: red�\[31m is (\w{16}), its key is dk_\1_\S{43}\nrecord 2: red�\[31m is there already, as \1\nrecord 3: refused: name: must not be empty\nrecord 4: shut is \w{16}, is disabled, its key is \S+\nimported {2}there {2}left {2}refused\n2 +1 +0 +1\n$/,
  );
  const users = writePocketBase(file("data.db"), "0.22", [ada, { id: recordId(1) }]);
  const dry = await run(["import", "pocketbase", users, "--dry-run"], env).finished;
  const left = `record ${recordId(1)}: left: has neither a name nor an address to sign in by`;
  expect(dry).toMatchObject({
    code: 0,
    stdout: `${left}\nimported  there  left  refused\n1         0      1     0\nNothing was written.\n`,
  });
});

test("a dry run tells what would be, and writes nothing", async () => {
  const { env, file } = await place();
  const users = writePocketBase(file("data.db"), "0.22", [ada, { ...ada, id: "short" }]);
  const dry = await imported(env, "pocketbase", users, "--dry-run");
  expect(dry.all.map(({ outcome }) => outcome)).toEqual(["imported", "refused"]);
  const list = written(file("clients.csv"), toCsv([mobile]));
  expect((await imported(env, "relay", list, "--dry-run")).all[0]).not.toHaveProperty("key");
  await withStores(env, async (stores) => {
    const accounts = await stores.accounts.list({ by: "usernameKey", prefix: "", after: undefined, limit: 9 });
    expect(accounts.map(({ username }) => username)).toEqual(["admin"]);
    expect(await stores.clients.list(undefined, 9)).toEqual([]);
    expect(await stores.audit.list({ where: undefined, from: "", before: "~", limit: 9 })).toEqual([]);
  });
});

test("nothing is imported where no server was started, and no place for it is made", async () => {
  const directory = scratchDirectory();
  const data = writePocketBase(join(directory, "data.db"), "0.22", [{ ...ada, username: "admin" }]);
  const env = { DARKROOM_DATA_DIR: join(directory, "mistyped") };
  const message = /^darkroom: DARKROOM_DATA_DIR: \S+mistyped has no administrator yet: /;
  const refuses = async (...options: string[]) => {
    const { code, all, stderr } = await imported(env, "pocketbase", data, ...options);
    expect([code, all, stderr]).toEqual([1, [], expect.stringMatching(message)]);
  };
  for (const options of [[], ["--dry-run"]]) await refuses(...options);
  expect(existsSync(env.DARKROOM_DATA_DIR)).toBe(false);
  // An operator needs no server to make one.
  await run(["user", "create", "somebody", "--store"], env).finished;
  await refuses();
});

test("an import that was killed is finished by repeating it", async () => {
  const { env, file } = await place();
  const hash = hashed("pocket");
  const records = Array.from({ length: 10_000 }, (_, n) => ({ id: recordId(n), username: `user.${n}`, hash }));
  const data = writePocketBase(file("data.db"), "0.22", records);
  const killed = run(["import", "pocketbase", data, "--json"], env);
  await killed.printed(/(record000000500)/);
  killed.child.kill("SIGKILL");
  expect((await killed.finished).code).toBeNull();
  const told = killed.output.stdout.split("\n").length - 1;
  expect(told).toBeLessThan(records.length);

  const { code, all } = await imported(env, "pocketbase", data);
  const count = (wanted: string) => all.filter(({ outcome }) => outcome === wanted).length;
  expect([code, count("imported") + count("there")]).toEqual([0, records.length]);
  // What was said to be there is.
  expect(count("there")).toBeGreaterThanOrEqual(told);
  expect(count("imported")).toBeGreaterThan(0);
  await withStores(env, async ({ accounts }) => {
    for (const { id, username } of records) expect((await accounts.findByRecordId(id))?.username).toBe(username);
  });
});

test("what was begun before a line that cannot be read is ended and told", async () => {
  const { env, file } = await place();
  const rows = Array.from({ length: 20 }, (_, n) => supabaseRow({ id: randomUUID(), email: `u${n}@example.org` }));
  const path = written(file("users.csv"), `${toCsv(rows)}too,many\n`);
  const { code, all, stderr } = await imported(env, "supabase", path);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/line 22: has not as many values/)]);
  await withStores(env, async ({ audit, accounts }) => {
    const users = (await accounts.list({ by: "usernameKey", prefix: "user-", after: undefined, limit: 99 })).map(
      ({ id }) => id,
    );
    const kept = await audit.list({ where: undefined, from: "", before: "~", limit: 99 });
    const told = all.map((report) => "id" in report && report.id).sort();
    expect(told).not.toEqual([]);
    expect(told).toEqual(users.sort());
    expect(told).toEqual(kept.map(({ target }) => target.replace("user:", "")).sort());
  });
});

test("an import whose output cannot be written ends, and makes no more keys", async () => {
  const { env, file } = await place();
  const path = written(
    file("clients.json"),
    JSON.stringify(Array.from({ length: 300 }, (_, n) => ({ name: `c ${n}` }))),
  );
  const { code, stderr } = await runInto("/dev/full", ["import", "relay", path], env).finished;
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/\(ENOSPC\); .*\ndarkroom: the import stopped where [^\n]+\n$/),
  ]);
  const isThere = (all: Report[]) => all.filter(({ outcome }) => outcome === "there").length;
  expect(isThere((await imported(env, "relay", path, "--dry-run")).all)).toBeLessThan(100);
});

test("a file that is not what it should be is told from, in a line that quotes nothing of it", async () => {
  const { env, file } = await place();
  const secret = hashed("secret");
  const users = toCsv([supabaseRow()]);
  const wrong: [string, string, string, RegExp][] = [
    ["pocketbase", "none.db", users, /none\.db: is no SQLite database$/],
    ["pocketbase", "empty.db", "", /empty\.db: is empty$/],
    ["supabase", "empty.csv", "\uFEFF\n", /empty\.csv: is empty$/],
    [
      "supabase",
      "few.csv",
      `id,email\n${randomUUID()},${secret}\n`,
      /: line 2: it has no encrypted_password, raw_user_/,
    ],
    [
      "supabase",
      "long.csv",
      `${users}a,"${secret}"\n`,
      /long\.csv: line 3: has not as many values as there are columns$/,
    ],
    [
      "supabase",
      "quote.csv",
      `${users}a"${secret},b\n`,
      /quote\.csv: line 3: is no CSV as PostgreSQL writes it \(\w+\)$/,
    ],
    ["supabase", "open.csv", `${users}"${secret}`, /open\.csv: line 3: is no CSV as PostgreSQL writes it \(\w+\)$/],
    ["supabase", "huge.csv", `${users}"${"x".repeat(1_100_000)}"\n`, /line 3: a record must have at most 1048576 char/],
    ["supabase", "cut.json", `[{"encrypted_password":"${secret}"`, /cut\.json: must be a JSON array of objects$/],
    ["supabase", "lines.json", `{"id":"${secret}"}\n{"id":"b"}\n`, /lines\.json: must be a JSON array of objects$/],
    ["supabase", "object.json", `{"id":"${secret}"}`, /object\.json: must be a JSON array of objects$/],
    ["supabase", "text.json", `["${secret}"]`, /text\.json: record 1: must be an object$/],
    ["supabase", "list.json", `[["${secret}"]]`, /list\.json: record 1: must be an object$/],
    ["supabase", "null.json", "[null]", /null\.json: record 1: must be an object$/],
    ["relay", "column.csv", `name,shoe_size\na,${secret}\n`, /: line 2: the column shoe_size is not understood: leave/],
    ["relay", "twice.csv", "name,scopes,permissions\na,b,c\n", /: line 2: scopes and permissions mean the same: leave/],
    ["relay", "nameless.csv", "id\n1\n", /: line 2: it has no name: it must be an export of the relay's clients$/],
  ];
  const isTold = async (system: string, name: string, message: RegExp) => {
    const { code, stderr } = await imported(env, system, file(name));
    expect([code, stderr.trimEnd()]).toEqual([1, expect.stringMatching(message)]);
    expect(stderr).toMatch(/^darkroom: [^\n]*\n$/);
  };
  for (const [system, name, text, message] of wrong) {
    written(file(name), text);
    await isTold(system, name, message);
  }
  truncateSync(written(file("large.json"), "["), 100 * 1024 * 1024 + 1);
  await isTold("supabase", "large.json", /large\.json: JSON must have at most 104857600 bytes: export it as CSV$/);
  const other = new DatabaseSync(file("other.db"));
  other.exec("CREATE TABLE posts (id TEXT)");
  other.close();
  await isTold("pocketbase", "other.db", /other\.db: has no table users$/);
  for (const system of ["pocketbase", "supabase", "relay"]) {
    for (const [path, code] of [
      [file("nothing"), "ENOENT"],
      [dirname(file("nothing")), "EISDIR"],
    ] as const) {
      const { stderr } = await imported(env, system, path);
      expect(stderr).toBe(`darkroom: ${path}: cannot be read (${code})\n`);
    }
  }
});

test("a database of PocketBase that was cut off is told from, and what was read of it stays", async () => {
  const { env, file } = await place();
  const records = Array.from({ length: 1000 }, (_, n) => ({ id: recordId(n), username: `user.${n}`, hash: "" }));
  const data = writePocketBase(file("data.db"), "0.22", records);
  truncateSync(data, 64 * 1024);
  const { code, all, stderr } = await imported(env, "pocketbase", data);
  expect([code, stderr]).toEqual([1, `darkroom: ${data}: is damaged: copy it once more while PocketBase is stopped\n`]);
  await withStores(env, async ({ accounts }) => {
    for (const { place } of all) expect(await accounts.findByRecordId(place.replace("record ", ""))).toBeDefined();
  });
});

describeOnMongodb("darkroom import", ({ uri, newDatabase }) => {
  test("brings users and clients into MongoDB, once", async () => {
    const env = { MONGODB_URI: uri, MONGODB_DATABASE: newDatabase(), DARKROOM_DATA_DIR: scratchDirectory() };
    const path = (name: string) => join(env.DARKROOM_DATA_DIR, name);
    const users = writePocketBase(path("data.db"), "0.22", [ada, { ...ada, id: recordId(1) }]);
    const others = written(path("users.csv"), toCsv([people.plain, people.oauth]));
    const list = written(path("clients.json"), JSON.stringify([mobile]));
    const { code, stderr } = await imported(env, "pocketbase", users);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^darkroom: MONGODB_URI: .* has no administrator yet: /)]);
    const { auth } = await serve(env, { worker: false });
    expect((await imported(env, "pocketbase", users)).all).toMatchObject([
      { outcome: "imported" },
      { outcome: "refused", reason: "username: is another account's; email: is another account's" },
    ]);
    expect((await imported(env, "supabase", others)).code).toBe(0);
    const [made] = (await imported(env, "relay", list)).all;
    for (const again of [
      ["pocketbase", users],
      ["supabase", others],
      ["relay", list],
    ])
      expect((await imported(env, ...again)).all[0]).toMatchObject({ outcome: "there" });
    for (const identity of ["ada.l", "ada@example.org"]) await auth.login({ identity, password: "pocket" });
    await auth.login({ identity: "plain@example.org", password: "the old password" });
    await auth.exchangeApiKey({ apiKey: (made as { key: string }).key });
  });
});
