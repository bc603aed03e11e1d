import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, onTestFinished, test, vi } from "vitest";
import { openQueues } from "../../src/app/backends.ts";
import { openStoreApi } from "../../src/app/store-app.ts";
import { deadLetterCommands } from "../../src/cli/operators/dead-letter-commands.ts";
import type { OperatorSettings } from "../../src/cli/operators/operator.ts";
import { pages } from "../../src/cli/operators/pages.ts";
import { render } from "../../src/cli/operators/render.ts";
import { bearer } from "../../src/client/index.ts";
import { readOperatorsServer, readServerConfig, serverUrl } from "../../src/config/config.ts";
import { recordingLog } from "../support/log.ts";
import { smallPicture } from "../support/pictures.ts";
import { run, runInto } from "../support/process.ts";
import { refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signIn, signInAdmin, unlimited } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { auth } = server;
const { credential: admin, token } = await signInAdmin(server);
const env = { DARKROOM_SERVER_URL: server.url, DARKROOM_API_KEY: token };

/** What the command prints as JSON, a line each. */
async function json(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await run([...args, "--json"], env).finished;
  expect([code, stderr]).toEqual([0, ""]);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test.each(["client create", "client regenerate", "user create", "user list", "dead-letters redrive"])(
  "the help of %s says what each argument and option is, and which server is asked",
  async (command) => {
    const { code, stdout } = await run([...command.split(" "), "--help"], { COLUMNS: "200" }).finished;
    expect(code).toBe(0);
    const terms = stdout.split("\n").filter((line) => /^ {2}\S/.test(line));
    expect(terms.length).toBeGreaterThan(3);
    expect(terms.filter((line) => !/^ {2}\S.*? {2,}[^ (]/.test(line))).toEqual([]);
    expect(stdout).toContain("the server at DARKROOM_SERVER_URL");
  },
);

test.each(["client create <name>", "import relay <file>"])(
  "the help of %s shows its argument where scopes do not take it for one of them",
  async (usage) => {
    const { stdout } = await run([...usage.split(" ").slice(0, 2), "--help"]).finished;
    expect(stdout).toContain(`Usage: darkroom ${usage} [options]\n`);
  },
);

test("a client is made, listed, disabled, given a new key and deleted", async () => {
  const wishes = ["--scope", "auth:check", "jobs:read", "--limit", "7", "--description", "it counts"];
  const [made] = await json("client", "create", "nightly", ...wishes);
  const { id = "", key = "" } = made as { id: string; key: string };
  const settings = { name: "nightly", scopes: ["jobs:read", "auth:check"], per_minute: 7, disabled: false };
  expect(made).toMatchObject({ ...settings, expires: null, last_used: null });
  expect((await auth.getClient({ clientId: id }, admin)).client?.description).toBe("it counts");
  const inspected = await run(["token", "inspect", "--json"], { ...env, DARKROOM_API_KEY: key }).finished;
  expect(JSON.parse(inspected.stdout)).toEqual({
    valid: true,
    account: null,
    client: id,
    scopes: settings.scopes,
    session: null,
  });
  const expireTime = { seconds: 4_102_444_800n };
  await auth.updateClient({ client: { id, expireTime }, updateMask: { paths: ["expire_time"] } }, admin);
  const listed = { id, ...settings, expires: "2100-01-01T00:00:00Z", last_used: expect.stringMatching(/^20.*Z$/) };
  await vi.waitFor(async () => expect(await json("client", "list")).toEqual([listed]), 20_000);
  await json("client", "disable", id);
  expect(await refusal(auth.checkAuth({}, bearer(key)))).toMatchObject({ code: "Unauthenticated" });
  await json("client", "enable", id);
  const [renewed] = await json("client", "regenerate", id, "--grace-hours", "2");
  const { client } = await auth.getClient({ clientId: id }, admin);
  expect(Number(client?.previousKeyExpireTime?.seconds)).toBeGreaterThan(Date.now() / 1000 + 3600);
  for (const credential of [key, String(renewed?.key)]) await auth.checkAuth({}, bearer(credential));
  expect(await json("client", "delete", id)).toEqual([{ id, deleted: true }]);
  expect(await json("client", "list")).toEqual([]);
  const [plain] = await json("client", "create", "without a limit of its own");
  expect(plain).toMatchObject({ per_minute: null });
  await json("client", "delete", String(plain?.id));
});

test("an account is made, found, made an administrator and shut out", async () => {
  const [made] = await json("user", "create", "ada", "--email", "ada@example.com");
  const { id = "", password = "" } = made as { id: string; password: string };
  const { tokens: hers } = await auth.login({ identity: "ada", password });
  expect(await json("user", "list", "ad")).toHaveLength(2);
  expect(await json("user", "role", id, "admin")).toMatchObject([{ role: "admin" }]);
  await auth.listUsers({}, bearer(hers?.accessToken ?? ""));
  expect(await json("user", "unlock", id)).toEqual([{ id, unlocked: true }]);
  expect(await json("user", "disable", id)).toMatchObject([{ username: "ada", disabled: true }]);
  expect(await refusal(auth.login({ identity: "ada", password }))).toMatchObject({ reason: "LOGIN_FAILED" });
  expect(await json("user", "enable", id)).toMatchObject([{ email: "ada@example.com", disabled: false }]);
  await auth.login({ identity: "ada", password });
});

test("signing keys are listed and rotated, and the credential in use is explained", async () => {
  expect(await json("keys", "list")).toMatchObject([{ algorithm: "ES256", forgotten: null }]);
  const [fresh] = await json("keys", "rotate");
  const [newest, first] = await json("keys", "list");
  expect(newest).toEqual(fresh);
  expect(String(fresh?.signs_from) > String(fresh?.created)).toBe(true);
  expect(first?.signs_from).toBe(first?.created);
  expect(await json("token", "inspect")).toMatchObject([
    { valid: true, account: "admin", session: expect.any(String) },
  ]);
});

test("what was given up is listed, and sent again one by one or all at once", async () => {
  const { credential, account } = await signIn(server);
  const { image } = await server.jobs.uploadImage({ data: await smallPicture() }, credential);
  const submit = async () => {
    const deadline = timestampFromMs(Date.now() + 300);
    const { job } = await server.jobs.submitImageJob(
      { imageId: image?.id ?? "", prompt: "sepia", deadline },
      credential,
    );
    return job?.id ?? "";
  };
  const ids = [await submit(), await submit(), await submit()].toReversed();
  const wait = { seconds: 60n };
  for (const jobId of ids) await server.jobs.pollImageJob({ jobId, wait }, credential);
  const listed = await json("dead-letters", "list", "--source", "job");
  expect(listed.map(({ id }) => id)).toEqual(ids);
  const owner = account?.id;
  const given_up = expect.stringMatching(/^20.*Z$/);
  const why = { reason: "DEADLINE_PASSED", description: expect.stringContaining("deadline") };
  expect(listed[0]).toMatchObject({ source: "job", ...why, given_up, owner, body: null });
  expect((await run(["dead-letters", "list"], env).finished).stdout).not.toContain("body");
  expect(await json("dead-letters", "redrive", ids[1] ?? "")).toEqual([{ id: ids[1], redriven: true }]);
  expect(await json("dead-letters", "list", "--source", "result")).toEqual([]);
  const redrive = ["dead-letters", "redrive", "--all"];
  expect(await json(...redrive, "--source", "result")).toEqual([{ redriven: 0, skipped: 0 }]);
  expect(await json(...redrive)).toEqual([{ redriven: 2, skipped: 0 }]);
  expect(await json("dead-letters", "list")).toEqual([]);
});

test("a result that could not be used is listed with what is in it, and discarded", async () => {
  const queues = await openQueues({ dataDir: server.dataDir, serviceBus: undefined }, Date.now, recordingLog());
  onTestFinished(() => queues.close());
  const send = (...ids: string[]) => queues.resultQueue.send(ids.map((id) => ({ id, body: Buffer.from("no result") })));
  await send("none");
  const listed = () => json("dead-letters", "list", "--source", "result");
  const letter = { source: "result", id: expect.stringMatching(/^\d+$/), body: "no result", owner: null };
  await vi.waitFor(async () => expect(await listed()).toMatchObject([letter]), 20_000);
  const [found] = await listed();
  const discard = (...args: string[]) => json("dead-letters", "discard", ...args);
  expect(await discard(String(found?.id))).toEqual([{ discarded: 1, skipped: 0 }]);
  expect(await discard(String(found?.id))).toEqual([{ discarded: 0, skipped: 1 }]);
  await send("another", "and another");
  await vi.waitFor(async () => expect(await listed()).toMatchObject([letter, letter]), 20_000);
  expect(await discard("--all")).toEqual([{ discarded: 2, skipped: 0 }]);
  expect(await listed()).toEqual([]);
  expect(await discard("--all")).toEqual([{ discarded: 0, skipped: 0 }]);
});

test("more results than one call takes are discarded by several", async () => {
  const deadLetters = Array.from({ length: 1500 }, (_, id) => ({ id: String(id) }));
  const listDeadLetters = async () => ({ deadLetters, nextPageToken: "" });
  const discardDeadLetters = vi.fn(async ({ ids }: { ids: string[] }) => ({ discarded: ids.length }));
  const store = { jobs: { listDeadLetters, discardDeadLetters }, auth: {}, stop: async () => {} };
  const print = vi.fn();
  const settings = { openStore: async () => store, print } as unknown as OperatorSettings;
  await deadLetterCommands(settings).parseAsync(["discard", "--all", "--store", "--json"], { from: "user" });
  expect(discardDeadLetters.mock.calls.map(([{ ids }]) => ids.length)).toEqual([1000, 500]);
  expect(print.mock.calls).toEqual([['{"discarded":1500,"skipped":0}\n']]);
});

test("operators ask the server that starts where nothing is set", () => {
  const { host, port } = readServerConfig({});
  expect(readOperatorsServer({}).serverUrl).toBe(serverUrl(host, port, false));
});

test("an account is handed a token for a new password, and deleted", async () => {
  const [made] = await json("user", "create", "forgetful");
  const id = String(made?.id);
  const [{ token = "", expires } = {}] = (await json("user", "reset", id)) as { token?: string; expires?: string }[];
  expect(Date.parse(expires ?? "")).toBeGreaterThan(Date.now());
  await auth.resetPassword({ token, newPassword: "a good new one" });
  await auth.login({ identity: "forgetful", password: "a good new one" });
  expect(await json("user", "delete", id)).toEqual([{ id, deleted: true }]);
  expect(await json("user", "list", "forgetful")).toEqual([]);
});

test("an account is named by its username or its address as well as by its id, but not by a part of them", async () => {
  const [{ id = "" } = {}] = (await json("user", "create", "grace.h", "--email", "g.h@example.com")) as {
    id?: string;
  }[];
  await json("user", "create", "grace.hopper");
  // Whoever takes another's id for their name is not taken for them.
  await json("user", "create", id);
  for (const name of [id, "grace.h", "Grace.H", "g.h@example.com", "G.H@example.com"]) {
    expect(await json("user", "unlock", name)).toEqual([{ id, unlocked: true }]);
    expect(await json("user", "reset", name)).toMatchObject([{ id }]);
    expect(await json("user", "disable", name)).toMatchObject([{ id, disabled: true }]);
    expect(await json("user", "role", name, "user")).toMatchObject([{ id, role: "user" }]);
  }
  for (const name of ["grace", "grace.", "g.h@example", "", "@"]) {
    expect(await run(["user", "delete", name], env).finished).toMatchObject({
      code: 1,
      stderr: "darkroom: there is no such user: give an id, a username or an address that `user list` shows\n",
    });
  }
  expect(await json("user", "delete", "grace.h")).toEqual([{ id, deleted: true }]);
  expect(await json("user", "list", "grace")).toMatchObject([{ username: "grace.hopper" }]);
});

test("without a server the same is done straight on the store, and a server that starts there knows of it", async () => {
  const dataDir = scratchDirectory();
  const said: string[] = [];
  const onStore = async (...args: string[]) => {
    const { code, stdout, stderr } = await run([...args, "--store", "--json"], { DARKROOM_DATA_DIR: dataDir }).finished;
    expect(code).toBe(0);
    said.push(stderr);
    return stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };
  const [boss] = await onStore("user", "create", "boss", "--role", "admin");
  const started = await serve({}, { worker: false, dataDir });
  const { tokens: own } = await started.auth.login({ identity: "boss", password: boss.password });
  const as = bearer(own?.accessToken ?? "");
  // Beside a server, too.
  const [client] = await onStore("client", "create", "nightly", "--scope", "auth:check");
  await started.auth.checkAuth({}, bearer(client.key));
  expect((await onStore("client", "list")).map(({ id }) => id)).toEqual([client.id]);
  const { events } = await started.auth.listAuditEvents({ actor: "operator" }, as);
  expect(events.map(({ action }) => action)).toEqual(["client.created", "user.created"]);
  expect(said).toEqual([`darkroom: there was no database in ${dataDir}: a new one is made\n`, "", ""]);
  for (const [command, refusal] of [
    ["user role nobody admin", "there is no such user: give an id, a username or an address that `user list` shows"],
    ["token inspect", "DARKROOM_API_KEY: must be the credential to look at"],
  ] as const) {
    const { code, stderr } = await run([...command.split(" "), "--store"], { DARKROOM_DATA_DIR: dataDir }).finished;
    expect([code, stderr]).toEqual([1, `darkroom: ${refusal}\n`]);
  }
});

test("an account that is deleted on the store is gone with its pictures in the end, though the call waits no longer", async () => {
  const { app, dataDir, ...darkroom } = await serve({}, { worker: false });
  const { account, credential } = await signIn(darkroom);
  for (let left = 20; left > 0; left -= 1) await darkroom.jobs.uploadImage({ data: await smallPicture() }, credential);
  await app.stop();
  const pictures = () => {
    const entries = readdirSync(join(dataDir, "pictures"), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).length;
  };
  const log = recordingLog();
  const store = await openStoreApi(readServerConfig({ DARKROOM_DATA_DIR: dataDir }), log, { needsQueues: false });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  let isDeleted = false;
  const deleting = store.auth.deleteUser({ userId: account?.id ?? "" }).finally(() => {
    isDeleted = true;
  });
  while (!isDeleted) await vi.advanceTimersByTimeAsync(60_000);
  await deleting;
  expect(pictures()).toBeGreaterThan(0);
  await store.stop();
  expect([pictures(), log.lines]).toEqual([0, []]);
});

test("a key that leaked is dropped at once, with all that it has signed", async () => {
  const theirs = await serve({}, { worker: false });
  const signed = await signInAdmin(theirs);
  const rotate = ["keys", "rotate", "--immediately", "--store", "--json"];
  const { id } = JSON.parse((await run(rotate, { DARKROOM_DATA_DIR: theirs.dataDir }).finished).stdout);
  const refused = async () => refusal(theirs.auth.checkAuth({}, signed.credential));
  await vi.waitFor(async () => expect(await refused()).toMatchObject({ code: "Unauthenticated" }), 10_000);
  const { credential } = await signInAdmin(theirs);
  const { keys } = await theirs.auth.listSigningKeys({}, credential);
  expect(keys).toMatchObject([{ id }]);
});

test("on the store accounts, clients and keys need no queue, and dead letters name one that cannot be used", async () => {
  const settings = { DARKROOM_DATA_DIR: scratchDirectory() };
  writeFileSync(join(settings.DARKROOM_DATA_DIR, "queue.db"), "no queue".repeat(1000));
  const onStore = (command: string) => run([...command.split(" "), "--store"], settings).finished;
  for (const command of [
    "user create ada",
    "user disable ada",
    "client create nightly",
    "keys list",
    "user delete ada",
  ])
    expect(await onStore(command)).toMatchObject({ code: 0 });
  const { code, stderr } = await onStore("dead-letters list");
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/^darkroom: DARKROOM_DATA_DIR: \S+queue\.db cannot be opened: /),
  ]);
});

test("what goes wrong inside on the store is told with its cause", async () => {
  const settings = { DARKROOM_DATA_DIR: scratchDirectory() };
  await run(["user", "create", "alice", "--store"], settings).finished;
  const database = new DatabaseSync(join(settings.DARKROOM_DATA_DIR, "darkroom.db"));
  database.exec("UPDATE accounts SET doc = json_remove(doc, '$.createdAt')");
  database.close();
  const { code, stderr } = await run(["user", "list", "--store"], settings).finished;
  const [, id] = /^darkroom: internal error; quote request id (\S+)$/m.exec(stderr) ?? [];
  const logged = stderr.split("\n").find((line) => line.startsWith("{")) ?? "null";
  expect(code).toBe(1);
  expect(JSON.parse(logged)).toMatchObject({ level: "error", request_id: id, err: { stack: expect.any(String) } });
});

test("people get a table, and are told what is wrong in one line", async () => {
  const { stdout } = await run(["user", "list", "admin"], env).finished;
  expect(stdout).toMatch(
    /^id +username +email +role +disabled +created\n[0-9a-f-]{36} {2}admin +admin +false +20\S+\n$/,
  );
  const failures = [
    [["client", "list"], { ...env, DARKROOM_API_KEY: "" }, /^darkroom: DARKROOM_API_KEY: must be /],
    [["client", "list"], { ...env, DARKROOM_SERVER_URL: "nope" }, /^darkroom: DARKROOM_SERVER_URL: must be /],
    [
      ["client", "list"],
      { ...env, DARKROOM_SERVER_URL: "http://127.0.0.1:1" },
      /^darkroom: DARKROOM_SERVER_URL: no Darkroom answers at http:\/\/127\.0\.0\.1:1 \(connect ECONNREFUSED/,
    ],
    [["client", "list"], { ...env, DARKROOM_API_KEY: "a\nb" }, /^darkroom: DARKROOM_API_KEY: must be printable/],
    [
      ["client", "list"],
      { ...env, DARKROOM_API_KEY: "wrong" },
      /^darkroom: DARKROOM_API_KEY: the credential is not valid/,
    ],
    [["token", "inspect"], { ...env, DARKROOM_API_KEY: "wrong" }, /^darkroom: DARKROOM_API_KEY: is not a good/],
    [["client", "create", "x", "--scope", "all"], env, /^darkroom: scopes must be any of/],
    [["client", "disable", "nobody"], env, /^darkroom: there is no such client/],
    [["user", "role", "admin", "king"], env, /^darkroom: the role must be user or admin/],
    [["user", "role", "admin", "constructor"], env, /^darkroom: the role must be user or admin/],
    [["dead-letters", "redrive"], env, /^darkroom: redrive: give the id of one, or --all/],
    [["dead-letters", "redrive", "x", "--all"], env, /^darkroom: redrive: give the id of one, or --all/],
    [["dead-letters", "redrive", "9", "--source", "job"], env, /^darkroom: redrive: --source needs --all/],
    [["dead-letters", "discard"], env, /^darkroom: discard: give the id of one, or --all/],
    [["dead-letters", "discard", "9", "--all"], env, /^darkroom: discard: give the id of one, or --all/],
    [["dead-letters", "discard", "x"], env, /^darkroom: discard: only results are discarded/],
    [["dead-letters", "redrive", "x"], env, /^darkroom: there is no such job/],
    [["dead-letters", "redrive", "999"], env, /^darkroom: there is no such dead letter/],
    [
      ["client", "regenerate", "x", "--grace-hours", "1.5"],
      env,
      /^error: option '--grace-hours .* must be a whole number/,
    ],
    [
      ["client", "regenerate", "x", "--grace-hours", ""],
      env,
      /^error: option '--grace-hours .* must be a whole number/,
    ],
    [["client", "regenerate", "x", "--grace-hours", "999999999"], env, /^darkroom: grace_period must be/],
    [["client", "create", "x", "--limit", ""], env, /^error: option '--limit .* must be a whole number/],
    [["client", "create", "x", "--limit", "4294967296"], env, /^error: option '--limit .* must be a whole number/],
  ] as const;
  for (const [args, settings, message] of failures) {
    const { code, stderr } = await run([...args], settings).finished;
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    expect(stderr.trimEnd()).not.toContain("\n");
  }
});

test("a key that cannot be written out is told to be lost, and who reads no more is no fault", async () => {
  const lost = {
    code: 1,
    stderr: expect.stringMatching(/^darkroom: the output cannot be written \(ENOSPC\); [^\n]+\n$/),
  };
  expect(await runInto("/dev/full", ["client", "create", "full"], env).finished).toMatchObject(lost);
  const left = run(["user", "list", "admin"], env);
  left.child.stdout?.destroy();
  expect(await left.finished).toMatchObject({ code: 0, stderr: "" });
});

test("a table shows no control characters, and columns that are as wide as they must be", () => {
  const rows = [
    { id: "a", name: "red\u001b[31m" },
    { id: "long", name: "\u202etxt.exe" },
  ];
  expect(render(rows, false)).toBe("id    name\na     red�[31m\nlong  �txt.exe\n");
  expect(render([], false)).toBe("There is nothing.\n");
  expect(render([], true)).toBe("");
});

test("a list that is longer than its reader may call in a while is read to its end", async () => {
  const DARKROOM_RATE_LIMITS = [unlimited("SignUp", "Login"), "darkroom.auth.v1.AuthService/ListUsers=1/1"].join(",");
  const { auth, url } = await serve({ DARKROOM_RATE_LIMITS }, { worker: false });
  const password = "a long enough one";
  for (let index = 0; index < 100; index += 1) await auth.signUp({ username: `user-${index}`, password });
  const admin = await signInAdmin({ auth });
  const own = { DARKROOM_SERVER_URL: url, DARKROOM_API_KEY: admin.token };
  const { code, stdout } = await run(["user", "list", "--json"], own).finished;
  expect([code, stdout.split("\n").filter(Boolean).length]).toEqual([0, 101]);
});

test("a list that its reader may not go on with for longer than a minute says so at once", async () => {
  const { auth, url } = await serve(
    { DARKROOM_RATE_LIMITS: "darkroom.auth.v1.AuthService/ListUsers=1/3600" },
    { worker: false },
  );
  const admin = await signInAdmin({ auth });
  const own = { DARKROOM_SERVER_URL: url, DARKROOM_API_KEY: admin.token };
  expect(await run(["user", "list"], own).finished).toMatchObject({ code: 0 });
  expect(await run(["user", "list"], own).finished).toMatchObject({ code: 1, stdout: "" });
});

test("a list is read to its last page", async () => {
  const read = async ({ pageToken }: { pageToken: string }) => ({
    item: `after ${pageToken}`,
    nextPageToken: { "": "a", a: "b" }[pageToken] ?? "",
  });
  expect((await pages(read)).map(({ item }) => item)).toEqual(["after ", "after a", "after b"]);
});
