import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect as connectHttp2, constants } from "node:http2";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { pingUpstream } from "../../src/http/relay/ping.ts";
import { recordingLog } from "../support/log.ts";
import { refusalOf } from "../support/refusals.ts";
import { serve, signIn, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { openUpstream } from "../support/upstream.ts";
import { exchange, requestHttp2 } from "../support/wire.ts";

const mib = 1024 * 1024;
const upstream = await openUpstream();
afterAll(() => upstream.close());
const settings = { RELAY_UPSTREAM_URL: `${upstream.url}/base/`, RELAY_BODY_MAX_MIB: "2", RELAY_TIMEOUT_SECONDS: "1" };
const server = await shareServer(settings, { worker: false });
const { auth, url } = server;
const { credential: admin } = await signInAdmin({ auth });
const { client, apiKey } = await auth.createClient(
  { client: { name: "a phone", scopes: ["relay", "jobs:read"] } },
  admin,
);
const { accessToken: token } = await auth.exchangeApiKey({ apiKey });
const user = await signIn(server);
const authorization = `Bearer ${token}`;
const headers = { authorization };
const json = { ...headers, "content-type": "application/json" };

const keys = createRemoteJWKSet(new URL(`${url}/relay/jwks.json`));
const rules = { issuer: "darkroom", audience: "darkroom-relay", typ: "relay-identity+jwt", algorithms: ["ES256"] };
const verified = (identity: string) => jwtVerify(identity, keys, { ...rules, requiredClaims: ["sub", "exp"] });
const identityOf = ({ headers }: IncomingMessage) => headers.authorization?.replace(/^Bearer /, "") ?? "";

const ok = (_request: IncomingMessage, response: ServerResponse) => void response.end("ok");
async function read(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}
/** What the upstream saw of a call. */
async function seen(path: string, init: RequestInit = {}): Promise<IncomingMessage> {
  upstream.on(`${init.method ?? "GET"} /base${path.split("?", 1)[0]}`, ok);
  expect((await fetch(url + path, { headers, ...init })).status).toBe(200);
  return upstream.received.at(-1) as IncomingMessage;
}

beforeEach(() => void upstream.received.splice(0));

describe("a relayed call", () => {
  test("is the upstream's, and its answer the caller's", async () => {
    upstream.on("POST /base/v1/chat", async (request, response) => {
      const { message } = JSON.parse(String(await read(request)));
      response.writeHead(201, { "content-type": "application/json", "x-model": "m", vary: "accept" });
      response.end(JSON.stringify({ reply: `${message}!` }));
    });
    const response = await fetch(`${url}/v1/chat?a=1&a=%20b&c`, {
      method: "POST",
      headers: json,
      body: '{"message":"Grüße"}',
    });
    expect([response.status, await response.json()]).toEqual([201, { reply: "Grüße!" }]);
    expect(response.headers.get("x-model")).toBe("m");
    const [request] = upstream.received;
    expect(request?.url).toBe("/base/v1/chat?a=1&a=%20b&c");
    expect(request?.headers).toMatchObject({ "content-type": "application/json", host: new URL(upstream.url).host });
  });

  test("leaves it to the service which answers a cache may keep, and to no cache where it says nothing", async () => {
    for (const control of [undefined, "public, max-age=60"]) {
      upstream.on("GET /base/v1/kept", (_, response) => {
        response.writeHead(200, control === undefined ? {} : { "cache-control": control }).end();
      });
      const response = await fetch(`${url}/v1/kept`, { headers });
      expect([response.status, response.headers.get("cache-control")]).toEqual([200, control ?? "no-store"]);
    }
  });

  test("leaves our own headers as they are over HTTP/1.1 and HTTP/2, and varies by both", async () => {
    const origin = "https://app.example.com";
    const open = await serve({ ...settings, CORS_ORIGINS: origin }, { worker: false });
    const { token } = await signIn(open);
    upstream.on("GET /base/v1/own", (_, response) => {
      response.writeHead(200, {
        "x-content-type-options": "sniff",
        ratelimit: "5",
        "x-request-id": "theirs",
        vary: "accept",
      });
      response.end("ok");
    });
    const asked = { authorization: `Bearer ${token}`, origin, "x-request-id": "ours" };
    const byHttp1 = Object.fromEntries((await fetch(`${open.url}/v1/own`, { headers: asked })).headers);
    const byHttp2 = await requestHttp2(open.url, { ":path": "/v1/own", ...asked });
    for (const headers of [byHttp1, byHttp2.headers]) {
      expect(headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "x-request-id": "ours",
        vary: "Origin, accept",
      });
      expect(headers.ratelimit).not.toBe("5");
    }
  });

  test.each(["GET", "POST", "PUT", "PATCH", "DELETE"])("is made by %s", async (method) => {
    const { method: sent } = await seen("/v1/history/search", { method });
    expect(sent).toBe(method);
  });

  test("is made by HEAD, whose answer has no body", async () => {
    upstream.on("HEAD /base/v1/tools", (_, response) => void response.writeHead(200, { "content-length": 5 }).end());
    const response = await fetch(`${url}/v1/tools`, { method: "HEAD", headers });
    expect([response.status, response.headers.get("content-length"), await response.text()]).toEqual([200, "5", ""]);
    const overHttp2 = await requestHttp2(url, { ":method": "HEAD", ":path": "/v1/tools", ...headers });
    expect([overHttp2.status, overHttp2.headers["content-length"], overHttp2.body.length]).toEqual([200, "5", 0]);
  });

  test.each(["GET", "HEAD"])(
    "is made by %s without the body that it may have, and without its length",
    async (method) => {
      upstream.on(`${method} /base/v1/tools`, ok);
      const head = `${method} /v1/tools HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n`;
      const answer = await exchange(url, `${head}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello`);
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      const [request] = upstream.received;
      expect(upstream.received).toHaveLength(1);
      for (const name of ["content-length", "content-type", "transfer-encoding"])
        expect(request?.headers[name]).toBeUndefined();
    },
  );

  test.each([204, 304, 400, 401, 404, 429, 500, 503])("is answered %i as the upstream does", async (status) => {
    upstream.on("GET /base/v1/status", (_, response) => void response.writeHead(status, { "retry-after": "9" }).end());
    const response = await fetch(`${url}/v1/status`, { headers });
    expect([response.status, response.headers.get("retry-after")]).toEqual([status, "9"]);
    expect(upstream.received).toHaveLength(1);
  });

  test("keeps a redirect and a compressed body as they are", async () => {
    const location = "https://elsewhere.example/x";
    upstream.on("GET /base/v1/moved", (_, response) => void response.writeHead(302, { location }).end());
    const moved = await fetch(`${url}/v1/moved`, { headers, redirect: "manual" });
    expect([moved.status, moved.headers.get("location")]).toEqual([302, location]);
    const { "accept-encoding": accepted } = (await seen("/v1/x", { headers: { ...headers, "accept-encoding": "br" } }))
      .headers;
    expect(accepted).toBe("br");
  });

  test.each([
    [`${upstream.url}/base/v1/tools?a=b%20c#d`, "/v1/tools?a=b%20c#d"],
    [`${upstream.url.replace("http:", "https:")}/base/v1/tools`, "/v1/tools"],
    ["/base/v1/tools", "/v1/tools"],
    ["../tools", "/v1/tools"],
    ["/v1/tools", "/v1/tools"],
    [Buffer.from("/base/v1/tools/上?q=é").toString("latin1"), "/v1/tools/%E4%B8%8A?q=%C3%A9"],
    ["/base/v1/tools/caf\xe9", "/v1/tools/caf%E9"],
    [`${upstream.url}/v1/tools`, `${upstream.url}/v1/tools`],
    [`${upstream.url}/base//elsewhere.example/v1/`, `${upstream.url}/base//elsewhere.example/v1/`],
    ["http://[", "http://["],
  ])("is redirected to where its caller finds it: %s", async (location, here) => {
    upstream.on("GET /base/v1/tools/", (_, response) => void response.writeHead(307, { location }).end());
    const { status, headers: sent } = await fetch(`${url}/v1/tools/`, { headers, redirect: "manual" });
    expect([status, sent.get("location")]).toEqual([307, here]);
  });

  test("is made over HTTP/2 too, with and without a body", async () => {
    upstream.on("POST /base/v1/echo", async (request, response) => {
      response.setHeader("connection", "close");
      response.end(await read(request));
    });
    const sent = { ":path": "/v1/echo", ":method": "POST", authorization };
    const full = await requestHttp2(url, sent, Buffer.from("by HTTP/2"));
    expect([full.status, full.body.toString()]).toEqual([200, "by HTTP/2"]);
    const empty = await requestHttp2(url, sent);
    expect([empty.status, empty.body.toString()]).toEqual([200, ""]);
  });

  test.each([
    ["a client by its key", { "x-api-key": apiKey }],
    ["a client by its token", { authorization }],
    ["a user", { authorization: `Bearer ${user.token}` }],
  ])("may be made by %s", async (_, headers) => {
    await seen("/v1/tools", { headers });
  });

  test("may not be made by a client without the scope, nor by the cookie", async () => {
    const other = await auth.createClient({ client: { name: "b", scopes: ["jobs:read", "admin"] } }, admin);
    const get = (headers: Record<string, string>) => fetch(`${url}/v1/tools`, { headers });
    expect((await get({ "x-api-key": other.apiKey })).status).toBe(403);
    const { sessionToken } = await auth.login({ identity: user.username, password: user.password, sessionToken: true });
    expect((await get({ cookie: `session=${sessionToken}` })).status).toBe(401);
    expect(upstream.received).toEqual([]);
  });

  test.each([
    "/v1/../admin",
    "/v1/..",
    "/v1/%2e%2e/admin",
    "/v1/.%2E/admin",
    "/v1/x/..%2f..%2fadmin",
    "/v1/..;/admin",
    "/v1/x%5c..%3ba=b%5cadmin",
    "/v1/..%5cadmin",
    "/v1/x\\..\\..\\..\\admin",
    "/v1/./x",
    '/v1/"x"',
    "/v1/chat%0a",
    "/v1/%09x",
    "/v1/x%00",
    "/v1/x%c2%85",
    "/v1/%ff",
    "/v1/%zz",
    "/v1/%",
  ])("does not lead out of its paths: %s", async (path) => {
    const answer = await exchange(
      url,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(upstream.received).toEqual([]);
  });

  test.each(["/v1/", "/v1/x/", "/v1//x", "/v1/a...b/[...c]", "/v1/%25252e", "/v1/x%2Fy", "/v1/@http://elsewhere"])(
    "has any other path: %s",
    async (path) => {
      expect((await seen(path)).url).toBe(`/base${path}`);
    },
  );

  test("has no other host, whichever its URL names", async () => {
    upstream.on("GET /base/v1/x", (_, response) => void response.end());
    for (const [target, status] of [
      ["http://elsewhere.example/v1/x", 200],
      [`${upstream.url}/base/v1/x`, 404],
    ]) {
      const answer = await exchange(
        url,
        `GET ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).toContain(`HTTP/1.1 ${status} `);
    }
    const { host } = new URL(upstream.url);
    expect(upstream.received.map(({ url, headers }) => [url, headers.host])).toEqual([["/base/v1/x", host]]);
  });

  test.each(["/v1", "/v2/x", "/base/v1/x", "//v1/x", "///v1/x/", "//v1//x"])("has no other: %s", async (path) => {
    expect((await fetch(url + path, { headers })).status).toBe(404);
  });
});

describe("its headers", () => {
  test("have an identity in place of every credential", async () => {
    const request = await seen("/v1/tools", {
      headers: {
        authorization,
        "x-api-key": apiKey,
        cookie: "session=x",
        "x-session-token": "x",
        "proxy-authorization": "x",
      },
    });
    const text = request.rawHeaders.join("\n");
    for (const secret of [token, apiKey, "session=x"]) expect(text).not.toContain(secret);
    for (const name of ["x-api-key", "cookie", "x-session-token", "proxy-authorization"])
      expect(request.headers[name]).toBeUndefined();
    expect((await verified(identityOf(request))).payload).toMatchObject({ sub: client?.id });
  });

  test("have no hop-by-hop header, in either direction", async () => {
    upstream.on("GET /base/v1/hop", (_, response) => {
      response.setHeader("connection", "x-inner, close");
      response.setHeader("keep-alive", "timeout=77");
      response.setHeader("x-inner", "1");
      response.setHeader("upgrade", "h9");
      response.setHeader("proxy-authenticate", "Basic");
      response.end("ok");
    });
    const answer = await exchange(
      url,
      `GET /v1/hop HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close, X-Named\r\n` +
        "X-Named: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: websocket\r\nHTTP2-Settings: x\r\nProxy-Connection: x\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).not.toMatch(/x-inner|timeout=77|h9|proxy-authenticate/i);
    const { headers } = upstream.received[0] as IncomingMessage;
    for (const name of ["x-named", "te", "upgrade", "http2-settings", "proxy-connection"])
      expect(headers[name]).toBeUndefined();
    expect(headers.connection).not.toContain("Named");
  });

  test("say where the call comes from, and are silent of what it claims to be, whatever the caller says", async () => {
    const claims = {
      forwarded: "for=9.9.9.9",
      "x-forwarded-for": "9.9.9.9",
      "x-forwarded-host": "evil.example",
      "x-real-ip": "9.9.9.9",
      "x-client-ip": "9.9.9.9",
      "x-cluster-client-ip": "9.9.9.9",
      "true-client-ip": "9.9.9.9",
      "cf-connecting-ip": "9.9.9.9",
      via: "1.1 evil",
      "x-original-url": "/evil",
      "x-original-uri": "/evil",
      "x-original-host": "evil.example",
      "x-rewrite-url": "/evil",
      "x-http-method": "evil",
      "x-http-method-override": "evil",
      "x-method-override": "evil",
      // Services behind CGI's or WSGI's names take it for a dash.
      x_forwarded_for: "9.9.9.9",
      "x-forwarded_proto": "evil",
      x_request_id: "evil",
      x_anything: "evil",
    };
    const { headers } = await seen("/v1/tools", { headers: { authorization, ...claims, "x-request-id": "r-1" } });
    expect(headers["x-forwarded-for"]).toMatch(/127\.0\.0\.1$/);
    expect(headers).toMatchObject({ "x-forwarded-proto": "http", "x-request-id": "r-1" });
    expect(JSON.stringify(headers)).not.toMatch(/9\.9\.9\.9|evil/);
  });

  test("of the answer leave this origin's own alone", async () => {
    upstream.on("GET /base/v1/own", (_, response) => {
      response.writeHead(200, [
        ...["Set-Cookie", "session=stolen", "Access-Control-Allow-Origin", "*", "X-Request-Id", "theirs"],
        ...["Alt-Svc", "h3=:1", "Clear-Site-Data", "*", "Set-Cookie2", "session=stolen"],
        ...["Strict-Transport-Security", "max-age=1"],
      ]);
      response.end("ok");
    });
    const { headers: answered } = await fetch(`${url}/v1/own`, { headers });
    for (const name of ["set-cookie", "set-cookie2", "access-control-allow-origin", "alt-svc", "clear-site-data"])
      expect(answered.get(name)).toBeNull();
    expect(answered.get("strict-transport-security")).toBeNull();
    expect(answered.get("x-request-id")).not.toBe("theirs");
  });
});

describe("the identity", () => {
  test("tells of a client what it is and may, for a minute", async () => {
    const identity = identityOf(await seen("/v1/tools"));
    const { payload } = await verified(identity);
    const claims = { sub: client?.id, kind: "client", name: "a phone", scope: "jobs:read relay" };
    expect(payload).toMatchObject(claims);
    expect(Number(payload.exp) - Number(payload.iat)).toBe(60);
  });

  test("tells of a user who they are", async () => {
    const { payload } = await verified(
      identityOf(await seen("/v1/tools", { headers: { authorization: `Bearer ${user.token}` } })),
    );
    expect(payload).toMatchObject({ sub: user.account?.id, kind: "user", name: user.username, role: "user" });
  });

  test("opens nothing at our port", async () => {
    const identity = identityOf(await seen("/v1/tools", { headers: { authorization: `Bearer ${user.token}` } }));
    const call = (path: string, headers: Record<string, string>) =>
      fetch(url + path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: "{}" });
    const paths = [
      "/v1/chat",
      "/images",
      "/admin/clients",
      "/darkroom.auth.v1.AuthService/CheckAuth",
      "/darkroom.worker.v1.WorkerService/ClaimJob",
    ];
    for (const path of paths) {
      expect((await call(path, { authorization: `Bearer ${identity}` })).status).toBe(401);
      expect((await call(path, { "x-api-key": identity })).status).toBe(401);
    }
    expect((await auth.validate({ credential: identity })).valid).toBe(false);
    const asked = await fetch(`${url}/session/validate`, { headers: { "x-session-token": identity } });
    expect(asked.status).toBe(401);
    const given = await call("/auth/token", { "x-api-key": identity });
    expect(given.status).toBe(401);
  });

  test("cannot be forged from another credential, by another key or with another content", async () => {
    const identity = identityOf(await seen("/v1/tools"));
    const { privateKey } = await generateKeyPair("ES256");
    const claims = decodeJwt(identity);
    const { kid = "" } = decodeProtectedHeader(identity);
    const signed = await new SignJWT(claims).setProtectedHeader({ alg: "ES256", typ: rules.typ, kid }).sign(privateKey);
    const [head, , signature] = identity.split(".");
    const changed = Buffer.from(JSON.stringify({ ...claims, sub: user.account?.id })).toString("base64url");
    for (const forged of [token, user.token, apiKey, signed, `${head}.${changed}.${signature}`])
      await expect(verified(forged)).rejects.toThrow();
    // Nor do access tokens' keys and the identities' meet.
    const own = (await (await fetch(`${url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
    const relayed = (await (await fetch(`${url}/relay/jwks.json`)).json()) as { keys: { kid: string; d?: string }[] };
    expect(own.keys.map((key) => key.kid)).not.toContain(kid);
    expect(relayed.keys.map((key) => key.kid)).toEqual([kid]);
    expect(relayed.keys[0]).not.toHaveProperty("d");
    expect((await fetch(`${url}/relay/jwks.json`, { method: "HEAD" })).status).toBe(200);
  });

  test("is there with a shared secret too, and after a restart by the same key", async () => {
    const secret = { ...settings, JWT_SECRET: "x".repeat(32) };
    const first = await serve(secret, { worker: false });
    const keySet = async (at: string) => (await fetch(`${at}/relay/jwks.json`)).json();
    const before = await keySet(first.url);
    await first.app.stop();
    const again = await serve(secret, { worker: false, dataDir: first.dataDir });
    expect(await keySet(again.url)).toEqual(before);
    const { token } = await signIn(again);
    upstream.on("GET /base/v1/tools", ok);
    expect((await fetch(`${again.url}/v1/tools`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
    const theirs = createRemoteJWKSet(new URL(`${again.url}/relay/jwks.json`));
    const received = upstream.received.at(-1) as IncomingMessage;
    await jwtVerify(identityOf(received), theirs, rules);
  });
});

describe("a stream", () => {
  const events = { "content-type": "text/event-stream" };

  test("of events arrives as it is sent, its headers before the first", async () => {
    let next = () => {};
    const told = () =>
      new Promise<void>((resolve) => {
        next = resolve;
      });
    upstream.on("GET /base/v1/events", async (_, response) => {
      response.writeHead(200, events).flushHeaders();
      for (const event of ["one", "two"]) {
        await told();
        response.write(`data: ${event}\n\n`);
      }
      await told();
      response.end();
    });
    const response = await fetch(`${url}/v1/events`, { headers });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = response.body?.getReader();
    for (const event of ["one", "two"]) {
      next();
      expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(`data: ${event}\n\n`);
    }
    next();
    expect((await reader?.read())?.done).toBe(true);
  });

  test("of a body arrives while it is sent", async () => {
    const arrived = Promise.withResolvers<string>();
    upstream.on("POST /base/v1/slow", async (request, response) => {
      const iterator = request[Symbol.asyncIterator]();
      arrived.resolve(String((await iterator.next()).value));
      expect(String((await iterator.next()).value)).toBe("second");
      response.end("both");
    });
    let send: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        send = controller;
        controller.enqueue(Buffer.from("first"));
      },
    });
    const answer = fetch(`${url}/v1/slow`, { method: "POST", headers, body, duplex: "half" } as RequestInit);
    expect(await arrived.promise).toBe("first");
    send?.enqueue(Buffer.from("second"));
    send?.close();
    expect(await (await answer).text()).toBe("both");
  });

  test("of many bytes comes whole, both ways", async () => {
    const sent = randomBytes(2 * mib);
    const answered = randomBytes(40 * mib);
    const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    upstream.on("POST /base/v1/large", async (request, response) => {
      response.setHeader("x-hash", hash(await read(request)));
      response.end(answered);
    });
    const response = await fetch(`${url}/v1/large`, { method: "POST", headers, body: sent });
    expect(response.headers.get("x-hash")).toBe(hash(sent));
    expect(hash(new Uint8Array(await response.arrayBuffer()))).toBe(hash(answered));
  });

  test("ends at the upstream when the caller leaves it", async () => {
    const closed = Promise.withResolvers<void>();
    upstream.on("GET /base/v1/endless", (_, response) => {
      response.writeHead(200, events).write("data: 1\n\n");
      response.once("close", () => closed.resolve());
    });
    const left = new AbortController();
    const response = await fetch(`${url}/v1/endless`, { headers, signal: left.signal });
    await response.body?.getReader().read();
    left.abort();
    await closed.promise;
  });

  test("ends at the upstream when the caller leaves before an answer, over HTTP/1.1 and HTTP/2", async () => {
    const arrived = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const closed = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let calls = 0;
    upstream.on("GET /base/v1/thinking", (_, response) => {
      const call = calls++;
      arrived[call]?.resolve();
      response.once("close", () => closed[call]?.resolve());
    });
    // Far from its limit of silence, which would end it too.
    const log = recordingLog();
    const patient = await serve({ RELAY_UPSTREAM_URL: `${upstream.url}/base` }, { worker: false, log });
    const { token } = await signIn(patient);
    const authorization = `Bearer ${token}`;
    const left = new AbortController();
    const response = fetch(`${patient.url}/v1/thinking`, { headers: { authorization }, signal: left.signal });
    await arrived[0]?.promise;
    left.abort();
    await expect(response).rejects.toThrow();
    await closed[0]?.promise;

    const session = connectHttp2(patient.url);
    const stream = session.request({ ":path": "/v1/thinking", authorization });
    stream.on("error", () => {});
    await arrived[1]?.promise;
    stream.close(constants.NGHTTP2_CANCEL);
    await closed[1]?.promise;
    session.destroy();
    expect(calls).toBe(2);
    expect(log.lines.filter(({ level }) => level === "warn")).toEqual([]);
  });

  test("that breaks at the upstream breaks for the caller", async () => {
    upstream.on("GET /base/v1/broken", (_, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("half", () => response.destroy());
    });
    const response = await fetch(`${url}/v1/broken`, { headers });
    await expect(response.text()).rejects.toThrow();
    const session = connectHttp2(url);
    const stream = session.request({ ":path": "/v1/broken", ...headers }).resume();
    const [error] = await once(stream, "error");
    expect(error.message).toContain("NGHTTP2_INTERNAL_ERROR");
    session.destroy();
  });

  test("ends when its caller may not call any more", async () => {
    const closed = Promise.withResolvers<void>();
    upstream.on("GET /base/v1/watched", (_, response) => {
      response.writeHead(200, events);
      const timer = setInterval(() => response.write(": alive\n\n"), 200);
      response.once("close", () => {
        clearInterval(timer);
        closed.resolve();
      });
    });
    const somebody = await signIn(server);
    const response = await fetch(`${url}/v1/watched`, { headers: { authorization: `Bearer ${somebody.token}` } });
    const text = response.text();
    text.catch(() => {});
    await auth.logout({}, somebody.credential);
    await closed.promise;
    await expect(text).rejects.toThrow();
  });

  test.each([
    ["key is another", (clientId: string) => auth.regenerateClientKey({ clientId }, admin)],
    [
      "scope is gone",
      (id: string) =>
        auth.updateClient({ client: { id, scopes: ["jobs:read"] }, updateMask: { paths: ["scopes"] } }, admin),
    ],
  ])("ends when its client's %s", async (_what, change) => {
    upstream.on("GET /base/v1/watched", (_, response) => {
      response.writeHead(200, events);
      const timer = setInterval(() => response.write(": alive\n\n"), 200);
      response.once("close", () => clearInterval(timer));
    });
    const { client, apiKey } = await auth.createClient({ client: { name: "watcher", scopes: ["relay"] } }, admin);
    const response = await fetch(`${url}/v1/watched`, { headers: { "x-api-key": apiKey } });
    const text = response.text();
    text.catch(() => {});
    await change(client?.id ?? "");
    await expect(text).rejects.toThrow();
  });
});

test("the chat's limit counts whatever an upstream may take for its path", async () => {
  const { apiKey } = await auth.createClient({ client: { name: "chatty", scopes: ["relay"] } }, admin);
  const paths = [
    "/v1/chat",
    "/v1/chat/",
    "/v1/Chat",
    "/v1//chat",
    "/v1/%5cchat",
    "/v1/chat%5c",
    "/v1/%63hat",
    "/v1/chat;x=1",
    "/v1/chat%3bx/;y",
    "/v1/chat?a",
  ];
  const others = ["/v1/chats", "/v1/chat/1", "/v1/chat;x/1", "/v1/;chat", "/v1/%ff"];
  const policyOf = async (path: string, method = "POST") => {
    const response = await fetch(url + path, { method, headers: { "x-api-key": apiKey } });
    return (response.headers.get("ratelimit-policy") ?? "").includes('"POST /v1/chat";q=10');
  };
  for (const path of paths)
    expect([path, await policyOf(path), await policyOf(path, "GET")]).toEqual([path, true, false]);
  for (const path of others) expect([path, await policyOf(path)]).toEqual([path, false]);
});

describe("a limit", () => {
  beforeEach(() => {
    upstream.on(
      "POST /base/v1/size",
      async (request, response) => void response.end(String((await read(request)).length)),
    );
  });
  const chunked = (size: number) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (let left = size; left > 0; left -= 65_536) controller.enqueue(new Uint8Array(Math.min(left, 65_536)));
        controller.close();
      },
    });
  const post = (body: Uint8Array<ArrayBuffer> | ReadableStream) =>
    fetch(`${url}/v1/size`, { method: "POST", headers, body, duplex: "half" } as RequestInit);

  test("is that of a body, said beforehand or not", async () => {
    for (const body of [new Uint8Array(2 * mib), chunked(2 * mib)])
      expect(await (await post(body)).text()).toBe(String(2 * mib));
    const count = upstream.received.length;
    const declared = await refusalOf(await post(new Uint8Array(2 * mib + 1)));
    expect(declared).toMatchObject({ status: 413, message: "Request body is too large" });
    expect(upstream.received).toHaveLength(count);
    expect(await refusalOf(await post(chunked(2 * mib + 1)))).toMatchObject({ status: 413 });
  });

  test("is that of the calls at a time", async () => {
    const { url, ...narrow } = await serve({ ...settings, RELAY_CALLS_MAX: "2" }, { worker: false });
    const [{ token }, other] = [await signIn(narrow as typeof server), await signIn(narrow as typeof server)];
    const held: ServerResponse[] = [];
    upstream.on("GET /base/v1/held", (_, response) => void held.push(response));
    const get = (by = token) => fetch(`${url}/v1/held`, { headers: { authorization: `Bearer ${by}` } });
    const open = [get()];
    await vi.waitFor(() => expect(held).toHaveLength(1));
    // The last one is not for who has as many as that.
    const greedy = await get();
    expect(greedy.headers.get("retry-after")).toBe("1");
    expect(await refusalOf(greedy)).toMatchObject({ status: 503, reason: "RELAY_BUSY" });
    open.push(get(other.token));
    await vi.waitFor(() => expect(held).toHaveLength(2));
    for (const by of [token, other.token, (await signIn(narrow as typeof server)).token])
      expect(await refusalOf(await get(by))).toMatchObject({ status: 503, reason: "RELAY_BUSY" });
    for (const response of held) response.end("ok");
    for (const response of await Promise.all(open)) expect(await response.text()).toBe("ok");
    upstream.on("GET /base/v1/held", ok);
    await vi.waitFor(async () => expect((await get()).status).toBe(200));
  });

  test("frees the place of a caller that left while its credential was checked", async () => {
    const narrow = await serve({ ...settings, RELAY_CALLS_MAX: "1" }, { worker: false });
    const { credential: as } = await signInAdmin(narrow);
    upstream.on("GET /base/v1/tools", ok);
    for (const protocol of ["HTTP/1.1", "HTTP/2"]) {
      // A key's first check takes a while.
      const { apiKey } = await narrow.auth.createClient({ client: { name: "a", scopes: ["relay"] } }, as);
      if (protocol === "HTTP/1.1") {
        const socket = connectTcp(Number(new URL(narrow.url).port), "127.0.0.1");
        socket.write(`GET /v1/tools HTTP/1.1\r\nHost: x\r\nX-API-Key: ${apiKey}\r\n\r\n`, () => socket.destroy());
        await once(socket, "close");
      } else {
        const session = connectHttp2(narrow.url);
        const stream = session.request({ ":path": "/v1/tools", "x-api-key": apiKey });
        stream.on("error", () => {});
        await once(stream, "ready");
        // The answer shows that the request was read before.
        await new Promise((answered) => session.ping(answered));
        stream.close(constants.NGHTTP2_CANCEL);
        await once(stream, "close");
        session.close();
      }
      await vi.waitFor(async () => {
        const { clients } = await narrow.auth.listClients({}, as);
        expect(clients[0]?.lastUseTime).toBeDefined();
      }, 20_000);
      await vi.waitFor(async () => {
        const response = await fetch(`${narrow.url}/v1/tools`, { headers: { "x-api-key": apiKey } });
        expect(response.status).toBe(200);
      }, 20_000);
    }
  });

  test("is that of its silence: before the answer it is a 504, within it the end", async () => {
    let response: ServerResponse | undefined;
    upstream.on("GET /base/v1/silent", (_, answer) => {
      response = answer;
    });
    const late = await fetch(`${url}/v1/silent`, { headers });
    expect(await refusalOf(late)).toMatchObject({ status: 504, reason: "UPSTREAM_TIMEOUT" });
    expect(late.headers.get("x-request-id")).toBeTruthy();
    expect(response).toBeDefined();
    upstream.on("GET /base/v1/stuck", (_, answer) => void answer.writeHead(200).write("some"));
    const stuck = await fetch(`${url}/v1/stuck`, { headers });
    await expect(stuck.text()).rejects.toThrow();
  });
});

describe("an upstream that fails", () => {
  const lost = createServer((socket) => socket.destroy());
  lost.listen(0, "127.0.0.1");
  afterAll(() => void lost.close());
  const lostUrl = async () => {
    if (!lost.listening) await once(lost, "listening");
    return `http://127.0.0.1:${(lost.address() as AddressInfo).port}`;
  };

  test.each([
    ["is not there", async () => "http://127.0.0.1:9"],
    ["hangs up", lostUrl],
    ["has no address", async () => "http://nowhere.invalid"],
  ])("is a 502 with the request's id when it %s", async (_, where) => {
    const RELAY_UPSTREAM_URL = await where();
    const log = recordingLog();
    const failing = await serve({ RELAY_UPSTREAM_URL }, { worker: false, log });
    const { token } = await signIn(failing);
    for (const method of ["GET", "POST"]) {
      const sent = { authorization: `Bearer ${token}`, "x-request-id": "r-2" };
      const response = await fetch(`${failing.url}/v1/chat`, { method, headers: sent });
      expect(response.status).toBe(502);
      expect(response.headers.get("content-type")).toContain("application/problem+json");
      expect(await response.json()).toEqual({
        type: "about:blank",
        title: "Bad Gateway",
        status: 502,
        detail: "the service behind this one cannot be reached",
        reason: "UPSTREAM_UNREACHABLE",
        request_id: "r-2",
      });
    }
    const told = () => log.lines.filter(({ fields }) => fields.request_id === "r-2");
    await vi.waitUntil(() => told().length === 4, { timeout: 20_000 });
    expect(told().flatMap(({ level, fields }) => (level === "warn" ? [] : [fields.outcome]))).toEqual([
      "UPSTREAM_UNREACHABLE",
      "UPSTREAM_UNREACHABLE",
    ]);
    await expect(pingUpstream(RELAY_UPSTREAM_URL)).rejects.toThrow();
  });

  test("is asked again for what only reads, and never for what may have been done", async () => {
    for (const [method, tries] of [
      ["GET", 3],
      ["HEAD", 3],
      ["POST", 1],
      ["PUT", 1],
      ["DELETE", 1],
    ] as const) {
      upstream.received.splice(0);
      upstream.on(`${method} /base/v1/flaky`, (request) => void request.socket.destroy());
      expect((await fetch(`${url}/v1/flaky`, { method, headers })).status).toBe(502);
      expect([method, upstream.received.length]).toEqual([method, tries]);
    }
    let left = 2;
    upstream.on("GET /base/v1/flaky", (request, response) => {
      if (left-- > 0) request.socket.destroy();
      else response.end("at last");
    });
    expect(await (await fetch(`${url}/v1/flaky`, { headers })).text()).toBe("at last");
  });

  test.each([
    [
      "letters beyond Latin-1 in headers",
      'HTTP/1.1 200 OK\r\nX-Mark: ✓ é\r\nContent-Length: 2\r\nContent-Disposition: attachment; filename="上 é"\r\n\r\nok',
      200,
    ],
    ["the length of what it does not send again", 'HTTP/1.1 304 Same\r\nContent-Length: 2\r\nETag: "x"\r\n\r\n', 304],
    ["a status below all", "HTTP/1.1 99 No\r\nContent-Length: 2\r\n\r\nok", 502],
    ["a status above all", "HTTP/1.1 600 Odd\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", 502],
    ["a control character in a header", "HTTP/1.1 200 OK\r\nX-Mark: a\u0001b\r\nContent-Length: 2\r\n\r\nok", 502],
    ["no HTTP", "hello\r\n\r\n", 502],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", 502],
    ["a switch of protocols", "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 502],
  ])("that answers with %s harms nobody else", async (_, bytes, status) => {
    const odd = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(bytes));
    });
    odd.listen(0, "127.0.0.1");
    await once(odd, "listening");
    const RELAY_UPSTREAM_URL = `http://127.0.0.1:${(odd.address() as AddressInfo).port}`;
    const failing = await serve({ RELAY_UPSTREAM_URL }, { worker: false });
    const { token } = await signIn(failing);
    const response = await fetch(`${failing.url}/v1/x`, { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(status);
    const said = await response.text();
    if (status === 200) {
      expect(said).toBe("ok");
      // `fetch` gives a character for each byte.
      const header = (name: string) => Buffer.from(response.headers.get(name) ?? "", "latin1").toString();
      expect([header("x-mark"), header("content-disposition")]).toEqual(["✓ é", 'attachment; filename="上 é"']);
    } else if (status === 304) expect(response.headers.get("etag")).toBe('"x"');
    else expect(JSON.parse(said)).toMatchObject({ status });
    odd.close();
  });

  test("is told by its health", async () => {
    upstream.on("GET /health", ok);
    await pingUpstream(upstream.url);
    upstream.on("GET /health", (_, response) => void response.writeHead(404).end());
    await pingUpstream(upstream.url);
    for (const status of [500, 503]) {
      upstream.on("GET /health", (_, response) => void response.writeHead(status).end());
      await expect(pingUpstream(upstream.url)).rejects.toThrow(`the upstream's health is ${status}`);
    }
    upstream.on("GET /health", () => {});
    await expect(pingUpstream(upstream.url)).rejects.toThrow(/timeout/);
  });
});

test("without an upstream there is nothing", async () => {
  const alone = await serve({}, { worker: false });
  const { token } = await signIn(alone);
  for (const path of ["/v1/chat", "/relay/jwks.json"])
    expect((await fetch(alone.url + path, { headers: { authorization: `Bearer ${token}` } })).status).toBe(404);
});

test.each(["ftp://x", "nonsense", "http://user:pass@host", "http://host/?a", "http://host/#a"])(
  "an upstream that is none is refused at the start: %s",
  async (RELAY_UPSTREAM_URL) => {
    await expect(serve({ RELAY_UPSTREAM_URL })).rejects.toThrow(/^RELAY_UPSTREAM_URL: must /);
  },
);
