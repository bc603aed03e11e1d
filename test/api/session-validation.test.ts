import { describe, expect, test } from "vitest";
import { readServerConfig } from "../../src/config/config.ts";
import { smallPicture } from "../support/pictures.ts";
import { refusalOf } from "../support/refusals.ts";
import { serve, signIn, signInAdmin, type TestServer } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { exchange, requestHttp2 } from "../support/wire.ts";

const server = await shareServer({ SESSION_COOKIE_DOMAIN: "Example.com" }, { worker: false });
const { auth, url } = server;
const week = 7 * 24 * 60 * 60;

async function signInWithCookie({ auth }: Pick<TestServer, "auth"> = server) {
  const user = await signIn({ ...server, auth });
  let headers = new Headers();
  const wanted = { identity: user.username, password: user.password, sessionToken: true };
  const login = await auth.login(wanted, {
    onHeader: (received) => {
      headers = received;
    },
  });
  return { ...user, sessionToken: login.sessionToken, accessToken: login.tokens?.accessToken ?? "", headers };
}

const user = await signInWithCookie();
const other = await signInWithCookie();
const token = user.sessionToken;
const valid = `{"valid":true,"user":"${user.username}"}`;
const ask = (headers: Record<string, string> = {}, at = url) => fetch(`${at}/session/validate`, { headers });
const answer = async (headers: Record<string, string> = {}, at = url) => (await ask(headers, at)).text();

describe("a session", () => {
  test.each([
    ["its cookie", { cookie: `session=${token}` }],
    ["its header", { "x-session-token": token }],
    ["the cookie before the header", { cookie: `session=${token}`, "x-session-token": other.sessionToken }],
    ["the header where the cookie is empty", { cookie: "session=", "x-session-token": token }],
    ["a cookie among others", { cookie: `theme=dark; session=${token}; sessionid=x; a=b=c` }],
    ["a cookie without blanks between", { cookie: `a=b;session=${token};c=d` }],
    ["a quoted cookie", { cookie: `session="${token}"` }],
    ["a cookie with escaped letters", { cookie: `session=${token.replace("_", "%5F")}` }],
    ["the first of two cookies of its name", { cookie: `session=${token}; session=${other.sessionToken}` }],
    ["a cookie beside a broken one", { cookie: `a=%E0%A4%A; =; ;; session=${token}; b` }],
  ])("is valid by %s", async (_, headers) => {
    const response = await ask(headers);
    expect([response.status, await response.text()]).toEqual([200, valid]);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  test.each([
    ["nothing", {}],
    ["nonsense", { cookie: "session=nonsense" }],
    ["the second of two cookies", { cookie: `session=nonsense; session=${token}` }],
    ["a cookie of another name", { cookie: `Session=${token}; xsession=${token}; session.=${token}` }],
    ["a bad cookie beside a good header", { cookie: "session=nonsense", "x-session-token": token }],
    ["a broken escape", { cookie: `session=${token}%` }],
    [
      "a token with another last character",
      { "x-session-token": token.slice(0, -1) + (token.endsWith("A") ? "B" : "A") },
    ],
    ["a long one", { "x-session-token": token + "x".repeat(8000) }],
    ["its access token", { "x-session-token": user.accessToken }],
    ["its refresh token", { cookie: `session=${user.refreshToken}` }],
    ["its access token as a bearer token", { authorization: `Bearer ${user.accessToken}` }],
    ["an object's property", { cookie: "__proto__=x; session=constructor" }],
  ])("is not valid by %s", async (_, headers) => {
    const response = await ask(headers);
    expect([response.status, await response.text()]).toEqual([401, '{"valid":false}']);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  test("is told over HTTP/2, where cookies come in several headers", async () => {
    const cookie = ["a=b", `session=${token}`] as unknown as string;
    const { status, body } = await requestHttp2(url, { ":path": "/session/validate", cookie });
    expect([status, body.toString()]).toEqual([200, valid]);
  });

  test("has cookies of 16 KiB with all other headers at most", async () => {
    const send = (size: number) =>
      exchange(
        url,
        `GET /session/validate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: a=${"x".repeat(size)}; session=${token}\r\n\r\n`,
      );
    expect(await send(15_000)).toContain(valid);
    expect(await send(16_384)).toMatch(/^HTTP\/1\.1 431 /);
  });

  test("ends with logging out, which clears the cookie", async () => {
    const { sessionToken, accessToken } = await signInWithCookie();
    const response = await fetch(`${url}/darkroom.auth.v1.AuthService/Logout`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${accessToken}` },
      body: "{}",
    });
    expect(response.headers.get("set-cookie")).toBe(
      "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Domain=example.com",
    );
    expect(await answer({ cookie: `session=${sessionToken}` })).toBe('{"valid":false}');
  });

  test("ends with its account's", async () => {
    const { credential: admin } = await signInAdmin({ auth });
    const { account, sessionToken } = await signInWithCookie();
    await auth.setUserDisabled({ userId: account?.id ?? "", disabled: true }, admin);
    expect(await answer({ "x-session-token": sessionToken })).toBe('{"valid":false}');
  });

  test.each(["//session/validate", "///session/validate/?a=//b"])("is asked about at %s", async (path) => {
    const told = async (headers: Record<string, string>) => (await fetch(url + path, { headers })).text();
    expect(await told({ cookie: `session=${token}` })).toBe(valid);
    expect(await told({ cookie: "session=nonsense" })).toBe('{"valid":false}');
  });

  test.each(["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])("is not asked about by %s", async (method) => {
    const response = await fetch(`${url}/session/validate`, { method, headers: { cookie: `session=${token}` } });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET"]);
  });
});

describe("the cookie", () => {
  test("is set by Login where a session token is asked for, and by nothing else", async () => {
    const cookie = `session=${token}; Path=/; Max-Age=${week}; HttpOnly; SameSite=Lax; Domain=example.com`;
    expect(user.headers.get("set-cookie")).toBe(cookie);
    let headers = new Headers();
    const wanted = { identity: user.username, password: user.password };
    await auth.login(wanted, {
      onHeader: (received) => {
        headers = received;
      },
    });
    expect(headers.get("set-cookie")).toBeNull();
  });

  test("is secure where a trusted proxy was called by TLS", async () => {
    const proxied = await serve({ TRUSTED_PROXIES: "loopback" }, { worker: false });
    const caller = await signIn(proxied);
    const isSecure = async (protocols: string, { url } = proxied, { username, password } = caller) => {
      const response = await fetch(`${url}/darkroom.auth.v1.AuthService/Login`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-forwarded-proto": protocols },
        body: JSON.stringify({ identity: username, password, sessionToken: true }),
      });
      return response.headers.get("set-cookie")?.includes("; Secure");
    };
    for (const protocols of ["https", "HTTPS", "https,http", " https , https"])
      expect([protocols, await isSecure(protocols)]).toEqual([protocols, true]);
    for (const protocols of ["http", "http, https", "httpsx", ""])
      expect([protocols, await isSecure(protocols)]).toEqual([protocols, false]);
    expect(await isSecure("https", server, user)).toBe(false);
  });

  test("stays with its host where no domain is named", async () => {
    const alone = await serve({}, { worker: false });
    const { headers } = await signInWithCookie(alone);
    expect(headers.get("set-cookie")).not.toContain("Domain");
  });

  test.each([
    "localhost",
    "127.0.0.1",
    ".example.com",
    "example.com.",
    "example.com:80",
    "a_b.com",
    "-a.com",
    "a;b.com",
  ])("has no domain that is none: %s", (SESSION_COOKIE_DOMAIN) => {
    expect(() => readServerConfig({ SESSION_COOKIE_DOMAIN })).toThrow(/^SESSION_COOKIE_DOMAIN: must be a domain/);
  });

  test("opens the pictures of its account by GET, and no call", async () => {
    const { image } = await server.jobs.uploadImage({ data: await smallPicture() }, user.credential);
    const get = (headers: Record<string, string>) => fetch(`${url}/download/${image?.id}`, { headers });
    const cookie = `session=${token}`;
    expect((await get({ cookie })).status).toBe(200);
    expect((await get({ cookie: `session=${other.sessionToken}` })).status).toBe(404);
    expect((await get({ "x-session-token": token })).status).toBe(401);
    expect((await get({ authorization: `Bearer ${token}` })).status).toBe(401);
    // A credential that was meant to count does, though the cookie's would do.
    expect(await refusalOf(await get({ cookie, authorization: "Bearer nonsense" }))).toMatchObject({ status: 401 });
    expect(await refusalOf(await get({ cookie: "session=nonsense" }))).toMatchObject({ status: 401 });
  });

  test.each([
    ["/images", "image/png"],
    ["/darkroom.auth.v1.AuthService/CheckAuth", "application/json"],
    ["/darkroom.imagejob.v1.ImageJobService/ListImageJobs", "application/json"],
  ])("opens nothing else: %s", async (path, type) => {
    const headers = { cookie: `session=${token}`, "content-type": type };
    expect((await fetch(url + path, { method: "POST", headers, body: "{}" })).status).toBe(401);
  });
});

test.each(["/admin/clients", "/download/none", "/api/check_auth", "/auth/v1/user"])(
  "more slashes open no door: %s",
  async (path) => {
    const statuses = async (headers: Record<string, string>) =>
      Promise.all([path, `/${path}`, `//${path}/`].map(async (at) => (await fetch(url + at, { headers })).status));
    const [refused, ...others] = await statuses({});
    expect([401, 403]).toContain(refused);
    expect(others).toEqual([refused, refused]);
    const [known, ...same] = await statuses({ authorization: `Bearer ${user.accessToken}` });
    expect(same).toEqual([known, known]);
  },
);

test("with authentication off, every session is the test user's", async () => {
  const { url: open } = await serve({ AUTH_ENABLED: "false" }, { worker: false });
  for (const headers of [{}, { cookie: "session=nonsense" }, { "x-session-token": token }]) {
    const response = await ask(headers, open);
    expect([response.status, await response.text()]).toEqual([200, '{"valid":true,"user":"test-user"}']);
  }
  expect((await fetch(`${open}/download/${crypto.randomUUID()}`, { headers: { cookie: "session=x" } })).status).toBe(
    404,
  );
});
