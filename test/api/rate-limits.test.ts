import { describe, expect, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { refusal, refusalOf } from "../support/refusals.ts";
import { serve, signIn, signInAdmin } from "../support/server.ts";

const check = "darkroom.auth.v1.AuthService/CheckAuth";

function checkAuth(url: string, headers: Readonly<Record<string, string>>): Promise<Response> {
  const json = { "content-type": "application/json" };
  return fetch(`${url}/${check}`, { method: "POST", headers: { ...json, ...headers }, body: "{}" });
}

async function recordIdOf({ url }: { readonly url: string }, token: string): Promise<string> {
  const response = await fetch(`${url}/api/collections/users/records`, { headers: { authorization: token } });
  const { items } = (await response.json()) as { items: readonly { id: string }[] };
  return items[0]?.id ?? "";
}

test("a client has 100 calls a minute, and another limit where one is set", async () => {
  const server = await serve({}, { worker: false });
  const { credential: admin } = await signInAdmin(server);
  for (const [limitPerMinute, allowed] of [
    [0, 100],
    [7, 7],
  ] as const) {
    const wanted = { name: "a", scopes: ["auth:check"], limitPerMinute };
    const { client, apiKey } = await server.auth.createClient({ client: wanted }, admin);
    expect(client?.limitPerMinute).toBe(limitPerMinute);
    for (let left = allowed - 1; left >= 0; left--) {
      const response = await checkAuth(server.url, { "x-api-key": apiKey });
      expect(response.status).toBe(200);
      expect(response.headers.get("ratelimit-policy")).toBe(`"client";q=${allowed};w=60`);
      expect(response.headers.get("ratelimit")).toMatch(new RegExp(`^"client";r=${left};t=[1-6]?\\d$`));
    }
    const over = await checkAuth(server.url, { "x-api-key": apiKey });
    expect(over.headers.get("retry-after")).toMatch(/^[1-6]?\d$/);
    expect(over.headers.get("ratelimit")).toMatch(/^"client";r=0;t=\d+$/);
    expect(await refusalOf(over)).toMatchObject({ status: 429, code: "resource_exhausted", reason: "RATE_LIMITED" });
    // Its tokens are the same caller; the plain routes count too.
    const { accessToken } = await server.auth.exchangeApiKey({ apiKey });
    expect(await refusal(server.auth.checkAuth({}, bearer(accessToken)))).toMatchObject({ code: "ResourceExhausted" });
    const download = await fetch(`${server.url}/download/x`, { headers: { "x-api-key": apiKey } });
    expect(download.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await refusalOf(download)).toMatchObject({ status: 429, reason: "RATE_LIMITED" });
  }
});

test("a client's limit is a whole number up to a million", async () => {
  const server = await serve({}, { worker: false });
  const { credential: admin } = await signInAdmin(server);
  const create = (limitPerMinute: number) => server.auth.createClient({ client: { name: "a", limitPerMinute } }, admin);
  for (const limit of [-1, 1_000_001])
    expect(await refusal(create(limit))).toMatchObject({ code: "InvalidArgument", fields: ["limit_per_minute"] });
  const { client } = await create(1_000_000);
  const mask = { paths: ["limit_per_minute"] };
  const update = { client: { id: client?.id ?? "", limitPerMinute: 1 }, updateMask: mask };
  expect((await server.auth.updateClient(update, admin)).client?.limitPerMinute).toBe(1);
});

test("an operation's limit counts each user, and each address of those who are nobody yet", async () => {
  const login = "darkroom.auth.v1.AuthService/Login";
  const server = await serve(
    { DARKROOM_RATE_LIMITS: `${login}=3/60, ${check}=2/60`, TRUSTED_PROXIES: "loopback" },
    { worker: false },
  );
  const [first, second] = [await signIn(server), await signIn(server)];
  for (const user of [first, second]) {
    await server.auth.checkAuth({}, user.credential);
    await server.auth.checkAuth({}, user.credential);
    expect(await refusal(server.auth.checkAuth({}, user.credential))).toMatchObject({ reason: "RATE_LIMITED" });
  }
  const again = (headers: Readonly<Record<string, string>>) =>
    server.auth.login({ identity: first.username, password: first.password }, { headers });
  await again({});
  expect(await refusal(again({}))).toMatchObject({ reason: "RATE_LIMITED" });
  await again({ "x-forwarded-for": "192.0.2.7" });
});

test("what asks for the own password again is limited for each account", async () => {
  const server = await serve({}, { worker: false });
  const { auth } = server;
  const [one, other] = [await signIn(server), await signIn(server)];
  for (const call of [auth.changePassword, auth.deleteProfile]) {
    for (let left = 60; left > 0; left--)
      expect(await refusal(call({}, one.credential))).toMatchObject({ code: "InvalidArgument" });
    expect(await refusal(call({}, one.credential))).toMatchObject({ reason: "RATE_LIMITED" });
    expect(await refusal(call({}, other.credential))).toMatchObject({ code: "InvalidArgument" });
  }
});

test("another address is limited however it is asked for, and nothing else that the same route does", async () => {
  const limit = "darkroom.auth.v1.AuthService/RequestEmailChange";
  const server = await serve({ DARKROOM_RATE_LIMITS: `${limit}=2/60` }, { worker: false });
  const { credential, token, account, password } = await signIn(server);
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const put = (body: object) =>
    fetch(`${server.url}/auth/v1/user`, { method: "PUT", headers, body: JSON.stringify(body) });
  const email = "another@example.com";
  const first = await put({ email });
  expect([first.status, first.headers.get("ratelimit")]).toEqual([400, expect.stringContaining(`"${limit}";r=1;`)]);
  expect(await refusal(server.auth.requestEmailChange({ email, password }, credential))).toMatchObject({
    reason: "MAIL_NOT_SET_UP",
  });
  const over = await put({ email, current_password: password, data: { name: "Ada" } });
  expect([over.status, await over.json()]).toMatchObject([429, { code: 429, error_code: "over_request_rate_limit" }]);
  expect(over.headers.get("retry-after")).toMatch(/^\d+$/);
  expect((await put({ email: account?.email, data: { name: "Ada" } })).status).toBe(200);
});

describe("is limited however it is asked for:", () => {
  async function limitedServer(procedure: string) {
    const server = await serve({ DARKROOM_RATE_LIMITS: `${procedure}=1/60` }, { worker: false });
    /** What a person's call by a plain route is answered. */
    const send = async (token: string, call: string, body?: object) => {
      const [method = "", path = ""] = call.split(" ");
      const headers = { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) };
      const response = await fetch(server.url + path, { method, headers, body: body ? JSON.stringify(body) : null });
      return response.status;
    };
    return { ...server, send };
  }

  test("a new password", async () => {
    const server = await limitedServer("darkroom.auth.v1.AuthService/ChangePassword");
    const [change, wanted] = ["PUT /auth/v1/user", "another secret"];
    const one = await signIn(server);
    expect(await server.send(one.token, change, { password: "short" })).toBe(422);
    expect(await server.send(one.token, change, { password: wanted })).toBe(429);
    expect(await server.send(one.token, change, { data: { name: "Ada" } })).toBe(200);
    expect(await refusal(server.auth.changePassword({}, one.credential))).toMatchObject({ reason: "RATE_LIMITED" });

    const other = await signIn(server);
    const record = `PATCH /api/collections/users/records/${await recordIdOf(server, other.token)}`;
    const passwords = { password: wanted, passwordConfirm: wanted, oldPassword: "wrong" };
    expect(await server.send(other.token, record, passwords)).toBe(400);
    expect(await server.send(other.token, record, passwords)).toBe(429);
    expect(await server.send(other.token, record, { name: "Ada" })).toBe(200);
  });

  test("a deletion", async () => {
    const server = await limitedServer("darkroom.auth.v1.AuthService/DeleteProfile");
    const { token, credential } = await signIn(server);
    const record = `DELETE /api/collections/users/records/${await recordIdOf(server, token)}`;
    expect(await refusal(server.auth.deleteProfile({}, credential))).toMatchObject({ code: "InvalidArgument" });
    expect(await server.send(token, record)).toBe(429);
  });

  test("a job", async () => {
    const server = await limitedServer("darkroom.imagejob.v1.ImageJobService/SubmitImageJob");
    for (const method of ["GET", "POST"]) {
      const { token, credential } = await signIn(server);
      const call = `${method} /api/send_message?prompt=grain&prompt_guidance=7&strength=0.5&uuid=${crypto.randomUUID()}`;
      expect([method, await server.send(token, call)]).toEqual([method, 404]);
      expect([method, await server.send(token, call)]).toEqual([method, 429]);
      expect(await refusal(server.jobs.submitImageJob({}, credential))).toMatchObject({ reason: "RATE_LIMITED" });
    }
  });
});

test("a route that is counted as a procedure keeps a limit of its own besides", async () => {
  const limits = { DARKROOM_RATE_LIMITS: "GET /api/send_message=1/600" };
  const server = await serve(limits, { worker: false });
  const { token, credential } = await signIn(server);
  const query = `prompt=grain&prompt_guidance=7&strength=0.5&uuid=${crypto.randomUUID()}`;
  const send = async () => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${server.url}/api/send_message?${query}`, { headers })).status;
  };
  expect([await send(), await send()]).toEqual([404, 429]);
  expect(await refusal(server.jobs.submitImageJob({}, credential))).toMatchObject({ code: "InvalidArgument" });
});

test("a credential that is refused counts for its address", async () => {
  const server = await serve({ DARKROOM_RATE_LIMITS: "address=2/60" }, { worker: false });
  const refused = () => refusal(server.auth.checkAuth({}, bearer("nonsense")));
  expect(await refused()).toMatchObject({ code: "Unauthenticated" });
  expect(await refused()).toMatchObject({ code: "Unauthenticated" });
  expect(await refused()).toMatchObject({ reason: "RATE_LIMITED" });
  // Those who ask for everybody are not held up by it.
  expect(await server.auth.validate({ credential: "nonsense" })).toMatchObject({ valid: false });
});

test("only a trusted proxy is believed, and only for what it vouches for", async () => {
  const limits = { DARKROOM_RATE_LIMITS: "address=1/60" };
  const call = (url: string, forwarded: string) => checkAuth(url, { "x-forwarded-for": forwarded });
  const closed = await serve(limits, { worker: false });
  await call(closed.url, "192.0.2.1");
  expect((await call(closed.url, "192.0.2.2")).status).toBe(429);

  const open = await serve({ ...limits, TRUSTED_PROXIES: "loopback, 10.0.0.0/8" }, { worker: false });
  for (const forwarded of [
    "192.0.2.1",
    "192.0.2.2:8080",
    "192.0.2.1, 192.0.2.3, 10.1.1.1",
    "[2001:db8::1]:80",
    "192.0.2.4:4711, 10.1.1.1:80",
    "192.0.2.5, [::1]:80, 10.1.1.1:80",
  ])
    expect((await call(open.url, forwarded)).status).toBe(401);
  for (const forwarded of [
    "192.0.2.2",
    "198.51.100.1, 192.0.2.3",
    "2001:db8::1",
    "192.0.2.9, 192.0.2.1",
    "198.51.100.1, 192.0.2.4",
    "192.0.2.5:4711, 10.1.1.1",
  ])
    expect((await call(open.url, forwarded)).status).toBe(429);
  // What is no address is the proxy's own fault, and counted for it.
  expect((await call(open.url, "nonsense")).status).toBe(401);
  expect((await call(open.url, "unknown")).status).toBe(429);
});

test("limits hold on all servers together", async () => {
  const here = await serve({}, { worker: false });
  const there = await serve({}, { worker: false, dataDir: here.dataDir });
  const client = { name: "a", scopes: ["auth:check"], limitPerMinute: 40 };
  const { apiKey } = await here.auth.createClient({ client }, (await signInAdmin(here)).credential);
  const calls = Array.from({ length: 120 }, (_, index) => (index % 2 === 0 ? here : there));
  const statuses = await Promise.all(
    calls.map(async ({ url }) => (await checkAuth(url, { "x-api-key": apiKey })).status),
  );
  expect(statuses.filter((status) => status === 200).length).toBe(40);
  expect(statuses.filter((status) => status === 429).length).toBe(80);
});
