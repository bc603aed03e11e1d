import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:http2";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { decodeJwt } from "jose";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { bearer, State } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { recordingLog } from "../support/log.ts";
import { refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { openServer, serve, signInAdmin, submitJob } from "../support/server.ts";
import { openUpstream } from "../support/upstream.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const open = { AUTH_ENABLED: "false" };
const workersDir = scratchDirectory(afterAll);
const queues = await openWorkerQueues(workersDir);
const openToPages = await openServer(afterAll, { ...open, CORS_ORIGINS: "https://app.example.com" }, { worker: false });
const testUserId = "696dda89-d395-4601-af3d-e1c66de3df1a";

test("with authentication off, whoever calls is the test user, whatever credential they show", async () => {
  const { auth, jobs, url } = await serve({ AUTH_ENABLED: "false" });
  for (const options of [{}, bearer("nonsense"), bearer("dk_aaaaaaaaaaaaaaaa_"), { headers: { "x-api-key": "no" } }]) {
    expect((await auth.checkAuth({}, options)).principal?.account?.id).toBe(testUserId);
  }
  const { jobId } = await submitJob({ jobs });
  const watched: string[] = [];
  for await (const { job: seen } of jobs.watchImageJob({ jobId })) watched.push(...(seen?.outputImageIds ?? []));
  expect(watched).toHaveLength(1);
  expect((await fetch(`${url}/download/${watched[0]}`)).status).toBe(200);
});

test("a call that waits is the test user's to its end", async () => {
  const { jobs } = await serve(open, { worker: false });
  const { jobId } = await submitJob({ jobs });
  // Longer than it takes until its caller is asked for again.
  const polled = await jobs.pollImageJob({ jobId, wait: { seconds: 2n } });
  expect(polled.job).toMatchObject({ id: jobId, state: State.QUEUED });
});

test("a worker hears all the same that its job has ended", async () => {
  const { jobs, worker } = await serve(open, { worker: false, dataDir: workersDir });
  const { jobId } = await submitJob({ jobs });
  const { token, dispatch } = await queues.message(jobId);
  await jobs.cancelImageJob({ jobId });
  expect(await refusal(worker.claimJob({ dispatch }, bearer(token)))).toMatchObject({
    code: "Unauthenticated",
    reason: "JOB_ENDED",
  });
});

test("the test user is no administrator, and a real one still is", async () => {
  const { auth } = await serve({ AUTHENTICATE: "false" }, { worker: false });
  expect(await refusal(auth.listUsers({}))).toMatchObject({ code: "PermissionDenied" });
  const admin = await signInAdmin({ auth });
  const { users } = await auth.listUsers({}, admin.credential);
  expect(users.map(({ username }) => username)).toEqual(["admin", "test-user"]);
});

test("a relayed call is the test user's", async () => {
  const upstream = await openUpstream();
  onTestFinished(() => upstream.close());
  const { url } = await serve({ AUTH_ENABLED: "false", RELAY_UPSTREAM_URL: upstream.url }, { worker: false });
  upstream.on("GET /v1/tools", (_, response) => void response.end("ok"));
  expect((await fetch(`${url}/v1/tools`)).status).toBe(200);
  const identity = upstream.received[0]?.headers.authorization?.replace("Bearer ", "") ?? "";
  expect(decodeJwt(identity)).toMatchObject({ sub: testUserId, kind: "user", name: "test-user" });
});

test("a restart finds the same test user", async () => {
  const { dataDir, app } = await serve({ AUTH_ENABLED: "false" }, { worker: false });
  await app.stop();
  const { auth } = await serve({ AUTH_ENABLED: "false" }, { worker: false, dataDir });
  expect((await auth.checkAuth({})).principal?.account?.id).toBe(testUserId);
});

test("a name that somebody has already is left to them", async () => {
  const { dataDir, app, auth } = await serve({}, { worker: false });
  await auth.signUp({ username: "Test-User", password: "a-long-enough-one" });
  await app.stop();
  const { auth: later } = await serve({ AUTH_ENABLED: "false" }, { worker: false, dataDir });
  const { principal } = await later.checkAuth({});
  expect(principal?.account?.id).toBe(testUserId);
  expect(principal?.account?.username).toMatch(/^user-/);
});

const emailOf = async (auth: Awaited<ReturnType<typeof serve>>["auth"]) =>
  (await auth.checkAuth({})).principal?.account?.email;

test("the test user has an address that is nobody's", async () => {
  const { auth } = await serve(open, { worker: false });
  expect(await emailOf(auth)).toBe("test-user@example.com");
});

test("a test user that was stored without an address gets one", async () => {
  const { dataDir, app } = await serve(open, { worker: false });
  await app.stop();
  const db = new DatabaseSync(join(dataDir, "darkroom.db"));
  const sql = "UPDATE accounts SET email_key = id, doc = json_set(doc, '$.email', null, '$.emailKey', id) WHERE id = ?";
  expect(db.prepare(sql).run(testUserId).changes).toBe(1);
  db.close();
  const { auth } = await serve(open, { worker: false, dataDir });
  expect(await emailOf(auth)).toBe("test-user@example.com");
});

test("a test user that was deleted a moment ago is another one", async () => {
  const { dataDir, app } = await serve(open, { worker: false });
  await app.stop();
  const closed = await serve({}, { worker: false, dataDir });
  const admin = await signInAdmin(closed);
  await closed.auth.deleteUser({ userId: testUserId }, admin.credential);
  await closed.app.stop();
  const { auth, jobs } = await serve(open, { worker: false, dataDir });
  expect((await auth.checkAuth({})).principal?.account).toMatchObject({ id: testUserId, username: "test-user" });
  expect((await jobs.listImageJobs({})).jobs).toEqual([]);
});

test("an address that somebody has already is left to them", async () => {
  const { dataDir, app, auth } = await serve({}, { worker: false });
  await auth.signUp({ email: "test-user@example.com", password: "a-long-enough-one" });
  await app.stop();
  const { auth: later } = await serve(open, { worker: false, dataDir });
  expect(await emailOf(later)).toMatch(/^user-[0-9a-f]+@example\.com$/);
});

/** What the server answers a call that a browser or a program makes with these headers. */
function statusOf(url: string, headers: Record<string, string>, path = "/api/check_auth"): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { headers }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    });
    sent.on("error", reject).end();
  });
}

const page = "https://elsewhere.example.com";
const byBrowser = { "sec-fetch-site": "cross-site" };

test.each<[string, Record<string, string>, number]>([
  ["a program", {}, 200],
  ["a program in a container", { host: "host.docker.internal:8080" }, 200],
  ["a program that has a name of its own for this machine", { host: "darkroom:8080" }, 200],
  ["whoever types the address", { "sec-fetch-site": "none", host: "localhost:8080" }, 200],
  ["a page on this machine", { origin: "http://localhost:3000" }, 200],
  ["a page on this machine by IPv6", { origin: "http://[::1]:3000", host: "[::1]:8080" }, 200],
  ["a page on this machine that has a name there", { origin: "http://app.localhost:3000" }, 200],
  ["a picture in a page on this machine", { ...byBrowser, referer: "http://127.0.0.1:3000/" }, 200],
  ["a page that CORS_ORIGINS names", { origin: "https://app.example.com" }, 200],
  ["a picture in such a page", { ...byBrowser, referer: "https://app.example.com/" }, 200],
  ["a page at another port of its", { origin: "https://app.example.com:8443" }, 403],
  ["another page", { ...byBrowser, origin: page }, 403],
  ["another page's form or picture", { ...byBrowser, referer: `${page}/` }, 403],
  ["another page that hides its address", byBrowser, 403],
  ["a page that hides its origin", { origin: "null" }, 403],
  ["a page whose name was made to lead here", { host: "elsewhere.example.com:8080" }, 403],
  ["a page at the address of any machine", { host: "0.0.0.0:8080" }, 403],
])("where it is off for this machine alone, a call of %s is the test user's or refused", async (_, headers, status) => {
  expect(await statusOf(openToPages.url, headers)).toBe(status);
});

test("a page from elsewhere is refused whatever it calls, with what to do about it", async () => {
  const { auth, url } = await serve(open, { worker: false });
  const headers = { origin: page };
  expect(await refusal(auth.checkAuth({}, { headers }))).toMatchObject({
    code: "PermissionDenied",
    reason: "PAGE_ELSEWHERE",
    message: expect.stringContaining("CORS_ORIGINS"),
  });
  for (const path of ["/health", "/session/validate", "/download/x", "/nothing"])
    expect(await statusOf(url, headers, path)).toBe(403);
  const session = connect(url);
  onTestFinished(() => session.close());
  for (const [authority, status] of [
    ["elsewhere.example.com:8080", 403],
    ["localhost:8080", 200],
  ] as const) {
    const sent = session.request({ ":path": "/api/check_auth", ":authority": authority });
    const [answer] = await once(sent, "response");
    expect(answer[":status"]).toBe(status);
  }
});

test("pages from elsewhere are a matter of credentials where there are some, and of whoever insists on none", async () => {
  const { url } = await serve({}, { worker: false });
  expect(await statusOf(url, { origin: page, host: "elsewhere.example.com" }, "/health")).toBe(200);
  const { url: insisted } = await serve({ ...open, DARKROOM_ALLOW_OPEN_ACCESS: "true" }, { worker: false });
  expect(await statusOf(insisted, { origin: page, host: "elsewhere.example.com" })).toBe(200);
});

test.each(["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.example.com", "1270.0.0.1"])(
  "is refused on %s",
  (HOST) => {
    expect(() => readServerConfig({ ...open, HOST })).toThrow(/^AUTH_ENABLED: opens everything/);
    expect(readServerConfig({ ...open, HOST, DARKROOM_ALLOW_OPEN_ACCESS: "true" }).authEnabled).toBe(false);
  },
);

test("is refused with a shared database, unless it is insisted on, and is not what insisting alone does", () => {
  const MONGODB_URI = "mongodb://127.0.0.1:1";
  expect(() => readServerConfig({ ...open, MONGODB_URI })).toThrow(/^AUTH_ENABLED: opens a shared database/);
  expect(readServerConfig({ ...open, MONGODB_URI, DARKROOM_ALLOW_OPEN_ACCESS: "true" }).authEnabled).toBe(false);
  expect(readServerConfig({ DARKROOM_ALLOW_OPEN_ACCESS: "true" }).authEnabled).toBe(true);
  for (const HOST of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
    expect(readServerConfig({ ...open, HOST }).authEnabled).toBe(false);
  }
});

test("is refused behind a proxy, unless it is insisted on", () => {
  const TRUSTED_PROXIES = "loopback";
  const refused = /^AUTH_ENABLED: opens everything to whoever a proxy calls for: .*, without TRUSTED_PROXIES, or set /;
  expect(() => readServerConfig({ ...open, TRUSTED_PROXIES })).toThrow(refused);
  expect(readServerConfig({ ...open, TRUSTED_PROXIES, DARKROOM_ALLOW_OPEN_ACCESS: "true" }).authEnabled).toBe(false);
});

test.each([
  [{ AUTH_ENABLED: "true", AUTHENTICATE: "False" }, /^AUTHENTICATE: must say the same as AUTH_ENABLED$/],
  [{ AUTH_ENABLED: "0", AUTHENTICATE: "yes" }, /^AUTH_ENABLED: must say the same as AUTHENTICATE$/],
])("is refused where its two names say different things: %j", (env, refused) => {
  expect(() => readServerConfig(env)).toThrow(refused);
  expect(() => readServerConfig({ ...env, DARKROOM_ALLOW_OPEN_ACCESS: "true" })).toThrow(refused);
});

test("its two names may say the same", () => {
  expect(readServerConfig({ AUTH_ENABLED: "false", AUTHENTICATE: "0" }).authEnabled).toBe(false);
  expect(readServerConfig({ AUTH_ENABLED: "on", AUTHENTICATE: "TRUE" }).authEnabled).toBe(true);
});

test("a server without authentication warns of it in its log, and no other does", async () => {
  for (const [env, lines] of [
    [open, [{ level: "warn", message: "AUTHENTICATION IS OFF: whoever calls is the test user" }]],
    [{}, []],
  ] as const) {
    const log = recordingLog();
    await serve(env, { worker: false, log });
    expect(log.lines.filter(({ level }) => level === "warn")).toMatchObject(lines);
  }
});
