import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, onTestFinished, test, vi } from "vitest";
import { startServer } from "../../src/app/server-app.ts";
import { bearer, connect } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { adminPassword, serve, signIn, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { auth } = server;
const { credential: admin } = await signInAdmin({ auth });

test("tells who did what to whom, from where, and how it ended", async () => {
  const user = await signIn(server);
  const userId = user.account?.id ?? "";
  const { client } = await auth.createClient({ client: { name: "a" } }, admin);
  await refusal(auth.changePassword({ oldPassword: "not it", newPassword: "another good one" }, user.credential));
  await auth.setUserDisabled(
    { userId, disabled: true },
    { ...admin, headers: { ...admin.headers, "x-request-id": "q-1" } },
  );
  await refusal(auth.login({ identity: user.username, password: user.password }));

  const { events } = await auth.listAuditEvents({}, admin);
  const [failed, disabled, refused, created, login, signedUp] = events;
  const adminId = (await auth.checkAuth({}, admin)).principal?.account?.id;
  expect(failed).toMatchObject({
    action: "session.started",
    actor: "anonymous",
    target: `user:${userId}`,
    reason: "LOGIN_FAILED",
  });
  expect(disabled).toMatchObject({
    action: "user.disabled_set",
    actor: `user:${adminId}`,
    requestId: "q-1",
    reason: "",
  });
  expect(disabled?.target).toBe(`user:${userId}`);
  expect(refused).toMatchObject({ action: "user.password_changed", actor: `user:${userId}`, reason: "PASSWORD_WRONG" });
  expect(created).toMatchObject({ action: "client.created", target: `client:${client?.id}` });
  expect(login).toMatchObject({ action: "session.started", target: `user:${userId}` });
  expect(signedUp).toMatchObject({ action: "user.signed_up", target: `user:${userId}` });
  expect(events.every(({ address }) => /^(::ffff:)?127\.0\.0\.1$/.test(address))).toBe(true);
});

test("names no target of what somebody tried with their own account, after too many tries neither", async () => {
  const user = await signIn(server);
  const change = { oldPassword: "not it", newPassword: "another good one" };
  const isSlowed = async () =>
    (await refusal(auth.changePassword(change, user.credential))).reason === "TOO_MANY_ATTEMPTS";
  await vi.waitUntil(isSlowed, { interval: 1, timeout: 30_000 });
  const { events } = await auth.listAuditEvents({ actor: `user:${user.account?.id}` }, admin);
  expect(events[0]).toMatchObject({ action: "user.password_changed", reason: "TOO_MANY_ATTEMPTS" });
  expect(new Set(events.map(({ target }) => target))).toEqual(new Set([""]));
});

test("tells whose refresh token was spent, or used again", async () => {
  const user = await signIn(server);
  const path = `${server.url}/auth/v1/token?grant_type=refresh_token`;
  const ways: Record<string, (refreshToken: string) => Promise<unknown>> = {
    RefreshToken: async (refreshToken) => (await auth.refreshToken({ refreshToken })).tokens?.refreshToken,
    Supabase: async (refresh_token) => {
      const headers = { "content-type": "application/json" };
      const response = await fetch(path, { method: "POST", headers, body: JSON.stringify({ refresh_token }) });
      return ((await response.json()) as { refresh_token?: string }).refresh_token;
    },
  };
  for (const refresh of Object.values(ways)) {
    const { tokens } = await auth.login({ identity: user.username, password: user.password });
    const first = tokens?.refreshToken ?? "";
    const { sessions } = await auth.listSessions({}, bearer(tokens?.accessToken ?? ""));
    const sessionId = sessions.find(({ current }) => current)?.id;
    const second = String(await refresh(first));
    await refresh(second);
    for (const token of [first, second, user.password]) await refresh(token).catch(() => {});
    const { events } = await auth.listAuditEvents({ action: "session.refreshed", pageSize: 5 }, admin);
    expect(events.map(({ target, reason }) => [target, reason])).toEqual([
      ["", "REFRESH_TOKEN_INVALID"],
      [`session:${sessionId}`, "REFRESH_TOKEN_INVALID"],
      [`user:${user.account?.id}`, "REFRESH_TOKEN_REUSED"],
      [`user:${user.account?.id}`, ""],
      [`user:${user.account?.id}`, ""],
    ]);
  }
});

test("tells whose account a login was refused for, and the caller nothing of it", async () => {
  // Time stands still, so that the sixth try comes too early.
  const standing = await serve({}, { worker: false, clock: movableClock(Date.now()) });
  const { auth, url } = standing;
  const admin = await signInAdmin({ auth });
  const { account, username } = await signIn(standing);
  const post = async (path: string, body: object) => {
    const headers = { "content-type": "application/json" };
    return (await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) })).text();
  };
  const ways: ((identity: string) => Promise<unknown>)[] = [
    (identity) => refusal(auth.login({ identity, password: "wrong" })),
    (identity) => post("/api/collections/users/auth-with-password", { identity, password: "wrong" }),
    (email) => post("/auth/v1/token?grant_type=password", { email, password: "wrong" }),
  ];
  const answers: string[] = [];
  for (const logIn of [...ways, ...ways]) answers.push(JSON.stringify(await logIn(username)));
  await refusal(auth.login({ identity: "nobody", password: "wrong" }));
  const wanted = { action: "session.started", pageSize: 7 };
  const { events } = await auth.listAuditEvents(wanted, admin.credential);
  const known = `user:${account?.id}`;
  expect(events.map(({ target, reason }) => [target, reason])).toEqual([
    ["", "LOGIN_FAILED"],
    [known, "TOO_MANY_ATTEMPTS"],
    ...Array.from({ length: 5 }, () => [known, "LOGIN_FAILED"]),
  ]);
  expect(answers.filter((answer) => answer.includes(account?.id ?? ""))).toEqual([]);
});

test("tells whose key was exchanged, or was wrong", async () => {
  const { client, apiKey } = await auth.createClient({ client: { name: "a", scopes: ["auth:check"] } }, admin);
  const target = `client:${client?.id}`;
  await auth.exchangeApiKey({ apiKey });
  for (const wrong of [`${apiKey.slice(0, -1)}!`, "dk_my secret_word"])
    await refusal(auth.exchangeApiKey({ apiKey: wrong }));
  const { events } = await auth.listAuditEvents({ action: "client.key_exchanged", pageSize: 3 }, admin);
  expect(events.map((event) => event.target)).toEqual(["", target, target]);
});

test("has twenty of a stranger's refused tries in a minute, and each of those that matter beside them", async () => {
  const clock = movableClock(Date.now());
  const { auth, url } = await serve({}, { worker: false, clock });
  const { credential: admin } = await signInAdmin({ auth });
  const { client, apiKey } = await auth.createClient({ client: { name: "a", scopes: ["auth:check"] } }, admin);
  const madeUp = apiKey.replace(client?.id ?? "", "abcdefghijklmnop");
  const byToken = { method: "POST", headers: { "x-api-key": madeUp } };
  for (let left = 8; left > 0; left -= 1) {
    await refusal(auth.exchangeApiKey({ apiKey: madeUp }));
    await refusal(auth.login({ identity: `nobody-${left}`, password: "wrong" }));
    await fetch(`${url}/auth/token`, byToken);
  }
  const wrong = `${apiKey.slice(0, -1)}${apiKey.endsWith("A") ? "B" : "A"}`;
  await refusal(auth.exchangeApiKey({ apiKey: wrong }));
  await refusal(auth.login({ identity: "admin", password: "wrong" }));
  await auth.exchangeApiKey({ apiKey });
  const kept = async () => {
    const { events } = await auth.listAuditEvents({ pageSize: 100 }, admin);
    const tries = events.filter(({ actor }) => actor === "anonymous").map(({ target, reason }) => [target, reason]);
    return { beside: tries.slice(0, 3), madeUp: tries.length - 4 };
  };
  const adminId = (await auth.checkAuth({}, admin)).principal?.account?.id;
  const beside = [
    [`client:${client?.id}`, ""],
    [`user:${adminId}`, "LOGIN_FAILED"],
    [`client:${client?.id}`, "CREDENTIAL_INVALID"],
  ];
  expect(await kept()).toEqual({ beside, madeUp: 20 });
  clock.advance(60_000);
  await refusal(auth.exchangeApiKey({ apiKey: madeUp }));
  expect((await kept()).madeUp).toBe(21);
});

test("has each refused try of who is signed in, and a stranger's by a disabled client's key or a spent refresh token", async () => {
  const { auth } = await serve({}, { worker: false, clock: movableClock(Date.now()) });
  const { credential: admin, refreshToken } = await signInAdmin({ auth });
  const { client, apiKey } = await auth.createClient({ client: { name: "a", disabled: true } }, admin);
  const first = { refreshToken };
  const { tokens: second } = await auth.refreshToken(first);
  await auth.refreshToken({ refreshToken: second?.refreshToken ?? "" });
  for (let left = 21; left > 0; left -= 1) {
    await refusal(auth.exchangeApiKey({ apiKey: "none" }));
    await refusal(auth.deleteClient({ clientId: "abcdefghijklmnop" }, admin));
  }
  const { account } = (await auth.checkAuth({}, admin)).principal ?? {};
  await refusal(auth.exchangeApiKey({ apiKey }));
  await refusal(auth.refreshToken(first));
  const { credential } = await signInAdmin({ auth });
  const { events } = await auth.listAuditEvents({ pageSize: 100 }, credential);
  const refused = events.filter(({ reason }) => reason !== "").map(({ target, reason }) => `${target} ${reason}`);
  const countOf = (event: string) => refused.filter((each) => each === event).length;
  expect(countOf(" CREDENTIAL_INVALID")).toBe(20);
  expect(countOf("client:abcdefghijklmnop CLIENT_NOT_FOUND")).toBe(21);
  expect(refused.slice(0, 2)).toEqual([
    `user:${account?.id} REFRESH_TOKEN_REUSED`,
    `client:${client?.id} CREDENTIAL_INVALID`,
  ]);
});

test("is read by page and by one filter", async () => {
  const { client } = await auth.createClient({ client: { name: "a" } }, admin);
  const target = `client:${client?.id}`;
  const start = Date.now();
  const names = ["b", "c", "d"];
  for (const name of names) {
    const wanted = { client: { id: client?.id ?? "", name }, updateMask: { paths: ["name"] } };
    await auth.updateClient(wanted, admin);
  }
  const first = await auth.listAuditEvents({ target, pageSize: 3 }, admin);
  const rest = await auth.listAuditEvents({ target, pageSize: 3, pageToken: first.nextPageToken }, admin);
  expect([...first.events, ...rest.events].map(({ action }) => action)).toEqual([
    ...names.map(() => "client.updated"),
    "client.created",
  ]);
  expect(rest.nextPageToken).toBe("");
  const later = await auth.listAuditEvents({ target, startTime: timestampFromMs(start) }, admin);
  expect(later.events).toHaveLength(3);
  expect((await auth.listAuditEvents({ target, endTime: timestampFromMs(0) }, admin)).events).toEqual([]);
  expect(await refusal(auth.listAuditEvents({ target, action: "a" }, admin))).toMatchObject({ fields: ["target"] });
  expect(await refusal(auth.listAuditEvents({ pageToken: "bm9uZQ" }, admin))).toMatchObject({ fields: ["page_token"] });
});

test("and the log and the files hold no secret of anybody", async () => {
  const dataDir = scratchDirectory();
  const lines: string[] = [];
  const write = (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message }));
  const config = readServerConfig({ PORT: "0", DARKROOM_DATA_DIR: dataDir, DARKROOM_ADMIN_PASSWORD: adminPassword });
  const log = { debug: write, info: write, warn: write, error: write };
  const app = await startServer(config, { log, forkWorker: undefined });
  onTestFinished(() => app.stop());
  const other = connect(app.url);
  const operator = (await signInAdmin(other)).credential;
  const user = await signIn(other);
  const wrong = randomBytes(12).toString("base64url");
  const { tokens, sessionToken } = await other.auth.login({
    identity: user.username,
    password: user.password,
    sessionToken: true,
  });
  const refreshed = (await other.auth.refreshToken({ refreshToken: tokens?.refreshToken ?? "" })).tokens;
  const { client, apiKey } = await other.auth.createClient({ client: { name: "a", scopes: ["auth:check"] } }, operator);
  const { accessToken } = await other.auth.exchangeApiKey({ apiKey });
  const renewed = await other.auth.regenerateClientKey({ clientId: client?.id ?? "" }, operator);
  await refusal(other.auth.login({ identity: user.username, password: wrong }));
  await refusal(other.auth.checkAuth({}, bearer(apiKey)));
  await other.auth.validate({ credential: sessionToken });
  // Pasted into the wrong field.
  await refusal(other.auth.deleteClient({ clientId: renewed.apiKey }, operator));
  await refusal(other.auth.getClient({ clientId: renewed.apiKey }, operator));
  await refusal(other.auth.unlockUser({ userId: wrong }, operator));
  await refusal(other.auth.revokeSession({ sessionId: sessionToken }, user.credential));
  await other.auth.changePassword({ oldPassword: user.password, newPassword: `${wrong}!` }, user.credential);

  const jwts = [user.token, tokens?.accessToken, refreshed?.accessToken, accessToken];
  const opaque = [user.refreshToken, tokens?.refreshToken, refreshed?.refreshToken, sessionToken];
  const secrets = [adminPassword, user.password, wrong, apiKey, renewed.apiKey, ...jwts, ...opaque];
  const kept = [lines.join("\n"), ...filesOf(dataDir).map((file) => readFileSync(file, "latin1"))];
  expect(kept.some((text) => text.includes(user.username))).toBe(true);
  for (const secret of secrets) {
    expect(secret?.length ?? 0).toBeGreaterThan(10);
    expect(kept.filter((text) => text.includes(secret ?? ""))).toEqual([]);
  }
});

function filesOf(directory: string): string[] {
  const all = readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => join(directory, name));
  return all.filter((path) => statSync(path).isFile());
}
