import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Log } from "../../src/ports/log.ts";
import { smallPicture } from "../support/pictures.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { exchange, requestHttp2 } from "../support/wire.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const origin = "https://app.example.com";
const lines: { level: keyof Log; fields: Record<string, unknown>; message: string }[] = [];
const write = (level: keyof Log) => (fields: Readonly<Record<string, unknown>>, message: string) =>
  void lines.push({ level, fields, message });
const log: Log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };

const app = "capacitor://localhost";
const origins = `${origin}, http://localhost:5173, ${app}`;
const serviceKey = "the-image-service's-key";
const settings = { CORS_ORIGINS: origins, IMAGE_SERVICE_API_KEY: serviceKey };
const server = await shareServer(settings, { worker: false, log });
const { url } = server;
const owner = await signIn(server);
const authorization = `Bearer ${owner.token}`;
const { image } = await server.jobs.uploadImage({ data: await smallPicture() }, owner.credential);

const checkPath = "/darkroom.auth.v1.AuthService/CheckAuth";
const loginPath = "/darkroom.auth.v1.AuthService/Login";
const json = { "content-type": "application/json" };

interface Request {
  readonly what: string;
  readonly path: string;
  readonly method: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const requests: readonly Request[] = [
  { what: "a call", path: checkPath, method: "POST", status: 200, headers: { ...json, authorization }, body: "{}" },
  { what: "a refused call", path: checkPath, method: "POST", status: 401, headers: json, body: "{}" },
  { what: "a broken call", path: loginPath, method: "POST", status: 400, headers: json, body: "{" },
  {
    what: "an unknown call",
    path: "/darkroom.auth.v1.AuthService/Nothing",
    method: "POST",
    status: 404,
    headers: json,
    body: "{}",
  },
  { what: "a call by the wrong method", path: loginPath, method: "PUT", status: 405 },
  {
    what: "a call of the wrong type",
    path: loginPath,
    method: "POST",
    status: 415,
    headers: { "content-type": "text/plain" },
    body: "x",
  },
  { what: "a picture", path: `/download/${image?.id}`, method: "GET", status: 200, headers: { authorization } },
  { what: "a refused picture", path: `/download/${image?.id}`, method: "GET", status: 401 },
  { what: "a refused question about a token", path: "/api/check_auth", method: "GET", status: 403 },
  { what: "an unknown picture", path: "/download/nothing", method: "GET", status: 404, headers: { authorization } },
  { what: "an upload of nothing", path: "/images", method: "POST", status: 400, headers: { authorization } },
  { what: "an unknown route", path: "/nothing", method: "GET", status: 404 },
  {
    what: "a preflight",
    path: checkPath,
    method: "OPTIONS",
    status: 204,
    headers: { origin, "access-control-request-method": "POST" },
  },
];
const send = ({ path, method, headers, body }: Request, more: Record<string, string> = {}) =>
  fetch(url + path, { method, headers: { ...headers, ...more }, ...(body === undefined ? {} : { body }) });

describe.each(requests)("$what", (request) => {
  test("gets the request id that it came with", async () => {
    const id = `Given.id_${"x".repeat(55)}`;
    const response = await send(request, { "x-request-id": id });
    expect(response.status).toBe(request.status);
    expect(response.headers.get("x-request-id")).toBe(id);
  });

  test("gets a request id of its own otherwise", async () => {
    const ids = new Set<string | null>();
    for (const given of [undefined, "with blanks", "x".repeat(65), "semi;colon", "<script>", ""]) {
      const response = await send(request, given === undefined ? {} : { "x-request-id": given });
      const id = response.headers.get("x-request-id");
      expect(id).toMatch(/^[\w.-]{1,64}$/);
      expect(id).not.toBe(given);
      ids.add(id);
    }
    expect(ids.size).toBe(6);
  });

  test("is answered as nothing to guess at", async () => {
    expect((await send(request)).headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("is kept by no cache", async () => {
    const control = (await send(request)).headers.get("cache-control");
    // A preflight is the browser's alone, and no cache keeps what a call by POST answers unless it says so.
    if (request.method === "OPTIONS" || request.path.startsWith("/darkroom.")) expect(control).toBeNull();
    else expect(control).toContain("no-store");
  });
});

const { credential: admin } = await signInAdmin(server);

test.each([
  "/admin/clients",
  "/api/check_auth",
  "/darkroom.auth.v1.AuthService/CheckAuth?connect=v1&encoding=json&message=%7B%7D",
])("no cache keeps what GET %s tells a client by its key", async (path) => {
  const client = { name: "reads", scopes: ["admin", "auth:check"] };
  const { apiKey } = await server.auth.createClient({ client }, admin);
  const response = await fetch(url + path, { headers: { "x-api-key": apiKey } });
  expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
});

describe("a request id", () => {
  test("comes with gRPC's answers and refusals", async () => {
    const headers = { authorization, "x-request-id": "by-grpc" };
    let answered: string | null = null;
    await server.auth.checkAuth(
      {},
      {
        headers,
        onHeader: (received) => {
          answered = received.get("x-request-id");
        },
      },
    );
    expect(answered).toBe("by-grpc");
    const refused = await refusal(server.auth.checkAuth({}, { headers: { "x-request-id": "by-grpc-2" } }));
    expect(refused.metadata.get("x-request-id")).toBe("by-grpc-2");
    const stream = server.jobs.getImage(
      { imageId: "nothing" },
      { headers: { authorization, "x-request-id": "by-grpc-3" } },
    );
    expect((await refusal(stream)).metadata.get("x-request-id")).toBe("by-grpc-3");
  });

  test("comes with the refusal of who names no host", async () => {
    const head = "GET /health HTTP/1.1\r\nConnection: close\r\nX-Request-Id: homeless\r\n\r\n";
    expect(await exchange(url, head)).toMatch(/^HTTP\/1\.1 400 [\s\S]*\r\nx-request-id: homeless\r\n/i);
    expect(lines.some(({ fields }) => fields.request_id === "homeless" && fields.status === 400)).toBe(true);
  });

  test("comes with a malformed host, and over HTTP/2", async () => {
    const answer = await exchange(
      url,
      `POST ${checkPath} HTTP/1.1\r\nHost: [::bad\r\nConnection: close\r\nX-Request-Id: odd-host\r\nContent-Length: 0\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*\r\nx-request-id: odd-host\r\n/i);
    const { headers } = await requestHttp2(url, { ":path": "/nothing", "x-request-id": "by-http2" });
    expect(headers["x-request-id"]).toBe("by-http2");
  });

  test("comes with the answer to who expects what nobody knows, as to any other", async () => {
    const head = "POST /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: hopeful\r\n";
    const answer = await exchange(url, `${head}Expect: a-miracle\r\nContent-Length: 0\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 [\s\S]*\r\nx-request-id: hopeful\r\n/i);
    const expecting = { ":path": "/nothing", "x-request-id": "hopeful-2", expect: "a-miracle" };
    const { status, headers } = await requestHttp2(url, expecting);
    expect([status, headers["x-request-id"]]).toEqual([404, "hopeful-2"]);
    expect(lines.filter(({ fields }) => String(fields.request_id).startsWith("hopeful"))).toHaveLength(2);
  });
});

test.each([
  ["/images", "", 401],
  ["/images", authorization, 400],
  ["/darkroom.imagejob.v1.ImageJobService/UploadImage", "", 401],
  ["/darkroom.imagejob.v1.ImageJobService/UploadImage", authorization, 400],
  ["/nothing", authorization, 404],
])("asks for a body only where it is read: %s", async (path, credential, status) => {
  const type = path === "/images" ? "image/png" : "application/proto";
  const fields = [`Host: x`, `Content-Type: ${type}`, "Content-Length: 2", "Connection: close", "Expect: 100-continue"];
  if (credential !== "") fields.push(`Authorization: ${credential}`);
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  socket.write(`POST ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`);
  const answers: string[] = [];
  for await (const answer of socket) {
    answers.push(String(answer));
    if (answers.length === 1 && status === 400) socket.write("\n\0");
  }
  if (status === 400) expect(answers.shift()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  expect(answers.join("")).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});

test.each([
  ["POST", "http://any.example", checkPath, 200],
  ["GET", "HTTPS://any.example:8443", "/session/validate", 401],
  ["GET", "http://any.example", "/download/nothing?x=http://x", 404],
  ["GET", "http://any.example", "?x=/y", 404],
])("a URL with its origin, as to a proxy, means its path: %s %s%s", async (method, before, path, status) => {
  const id = crypto.randomUUID();
  const fields = [
    "Host: x",
    "Connection: close",
    "Content-Type: application/json",
    "Content-Length: 2",
    `Authorization: ${authorization}`,
    `X-Request-Id: ${id}`,
  ];
  const answer = await exchange(url, `${method} ${before}${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n{}`);
  expect(answer).toContain(`HTTP/1.1 ${status} `);
  const line = await vi.waitUntil(() => lines.find(({ fields: { request_id } }) => request_id === id), 20_000);
  expect(line.fields.path).toBe(path.startsWith("?") ? "/" : path.replace(/\?.*/, ""));
});

describe("CORS", () => {
  const connectWeb =
    "authorization,connect-protocol-version,connect-timeout-ms,content-type,x-grpc-web,x-user-agent,grpc-timeout,x-request-id";
  const preflight = (from: string, path = checkPath, to = url, asked = connectWeb) =>
    fetch(to + path, {
      method: "OPTIONS",
      headers: { origin: from, "access-control-request-method": "POST", "access-control-request-headers": asked },
    });
  const list = (response: Response, name: string) => (response.headers.get(name) ?? "").toLowerCase().split(/,\s*/);

  test.each([origin, "http://localhost:5173", app])("lets pages of %s ask first", async (from) => {
    for (const [path, asked] of [
      [checkPath, connectWeb],
      ["/auth/v1/token", "apikey,authorization,content-type,traceparent,x-client-info,x-of-the-app"],
    ] as const) {
      const response = await preflight(from, path, url, asked);
      expect(response.status).toBe(204);
      expect(response.headers.get("access-control-allow-origin")).toBe(from);
      expect(response.headers.get("access-control-max-age")).toBe("7200");
      expect(list(response, "access-control-allow-headers")).toEqual(asked.split(","));
      expect(list(response, "access-control-allow-methods")).toEqual(
        expect.arrayContaining(["get", "post", "put", "patch", "delete"]),
      );
      expect(list(response, "vary")).toContain("origin");
      expect(response.headers.get("access-control-allow-credentials")).toBeNull();
    }
  });

  test.each(requests.filter(({ method }) => method !== "OPTIONS"))(
    "lets its pages read the answer to $what",
    async (request) => {
      const response = await send(request, { origin });
      expect(response.status).toBe(request.status);
      expect(response.headers.get("access-control-allow-origin")).toBe(origin);
      expect(list(response, "access-control-expose-headers")).toEqual(
        expect.arrayContaining([
          "grpc-status",
          "grpc-message",
          "grpc-status-details-bin",
          "location",
          "x-request-id",
          "ratelimit",
          "ratelimit-policy",
          "retry-after",
          "www-authenticate",
        ]),
      );
    },
  );

  test.each(["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"])(
    "lets no page of %s",
    async (from) => {
      expect((await preflight(from)).headers.get("access-control-allow-origin")).toBeNull();
      for (const request of requests) {
        expect((await send(request, { origin: from })).headers.get("access-control-allow-origin")).toBeNull();
      }
    },
  );

  test("lets none when no origins are configured", async () => {
    const closed = await serve({}, { worker: false });
    for (const response of [
      await preflight(origin, checkPath, closed.url),
      await fetch(`${closed.url}${checkPath}`, { method: "POST", headers: { ...json, origin }, body: "{}" }),
    ]) {
      expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });
});

describe("the access log", () => {
  const lineOf = (requestId: string) =>
    vi.waitUntil(() => lines.find(({ fields, message }) => message === "request" && fields.request_id === requestId), {
      timeout: 20_000,
    });
  let id = "";
  beforeEach(() => {
    id = crypto.randomUUID();
  });
  afterAll(() => {
    lines.length = 0;
  });

  test.each(requests)("has a line for $what", async (request) => {
    await send(request, { "x-request-id": id }).then((response) => response.arrayBuffer());
    const { path, method, status, headers } = request;
    const { level, fields } = await lineOf(id);
    expect(level).toBe("info");
    expect(fields).toMatchObject({ path, method, status, http: "1.1", complete: true, address: "127.0.0.1" });
    expect(fields.ms).toBeGreaterThanOrEqual(0);
    expect(fields.account).toBe(headers?.authorization === undefined || status === 405 ? undefined : owner.account?.id);
  });

  test("has a line for gRPC, with how it ended", async () => {
    await refusal(server.jobs.getImage({ imageId: "nothing" }, { headers: { authorization, "x-request-id": id } }));
    expect((await lineOf(id)).fields).toMatchObject({
      path: "/darkroom.imagejob.v1.ImageJobService/GetImage",
      http: "2.0",
      status: 200,
      complete: true,
      outcome: "NotFound",
      account: owner.account?.id,
    });
  });

  test("has a line for whoever leaves before the answer", async () => {
    const leaving = new AbortController();
    const { job } = await server.jobs.submitImageJob({ imageId: image?.id ?? "", prompt: "sepia" }, owner.credential);
    const headers = { authorization, "x-request-id": id };
    const stream = server.jobs.watchImageJob({ jobId: job?.id ?? "" }, { headers, signal: leaving.signal });
    await refusal(
      (async () => {
        for await (const seen of stream) {
          expect(seen.job?.id).toBe(job?.id);
          leaving.abort();
        }
      })(),
    );
    expect((await lineOf(id)).fields).toMatchObject({ account: owner.account?.id, complete: false });
  });

  test("says who called", async () => {
    const admin = await signInAdmin(server);
    const wanted = { name: "logged", scopes: ["images:read"] };
    const { client, apiKey } = await server.auth.createClient({ client: wanted }, admin.credential);
    const { job } = await server.jobs.submitImageJob({ imageId: image?.id ?? "", prompt: "sepia" }, owner.credential);
    const queues = await openWorkerQueues(server.dataDir);
    const { token } = await queues.message(job?.id ?? "");
    for (const [credential, caller] of [
      [apiKey, { client: client?.id }],
      [serviceKey, { worker: "service key" }],
      [token, { job: job?.id, owner: owner.account?.id }],
    ] as const) {
      const headers = { authorization: `Bearer ${credential}`, "x-request-id": crypto.randomUUID() };
      await fetch(`${url}/download/nothing`, { headers });
      expect((await lineOf(headers["x-request-id"])).fields).toMatchObject({ status: 404, ...caller });
    }
    const { sessionToken } = await server.auth.login({
      identity: owner.username,
      password: owner.password,
      sessionToken: true,
    });
    await fetch(`${url}/session/validate`, { headers: { "x-session-token": sessionToken, "x-request-id": id } });
    expect((await lineOf(id)).fields).toMatchObject({ status: 200, account: owner.account?.id });
  });

  test("has no more of a path than one needs", async () => {
    await fetch(`${url}${"/nothing".repeat(100)}`, { headers: { "x-request-id": id } });
    expect((await lineOf(id)).fields.path).toBe("/nothing".repeat(32));
  });

  test("has a line for whoever leaves in the middle of an upload, and it is no fault of the server", async () => {
    const { hostname, port } = new URL(url);
    const socket = connectTcp(Number(port), hostname);
    const head = `POST /images HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nX-Request-Id: ${id}\r\n`;
    socket.write(`${head}Content-Type: image/png\r\nContent-Length: 1000\r\n\r\n`);
    socket.write((await smallPicture()).slice(0, 40));
    socket.destroySoon();
    await lineOf(id);
    // What is said of the first is said by the time that another has come to its end.
    const headers = { authorization, "content-type": "image/png" };
    const whole = await fetch(`${url}/images`, { method: "POST", headers, body: await smallPicture() });
    expect(whole.status).toBe(201);
    expect(lines.filter(({ level, fields }) => level === "error" && fields.request_id === id)).toEqual([]);
  });

  test.each([
    [
      "a stream of requests",
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      encodeEnvelope(0, Buffer.of(0x3a, 0)),
    ],
    ["a stream's only request", "/darkroom.imagejob.v1.ImageJobService/GetImage", Buffer.of(0, 0, 0)],
  ])("has no fault of the server for whoever leaves in the middle of %s", async (_what, path, message) => {
    const session = connectHttp2(url);
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
    const stream = session.request({ ...headers, authorization, "x-request-id": id }).on("error", () => {});
    stream.write(message);
    await once(session, "connect");
    // An answer to what comes later says that the server has read it.
    await new Promise((resolve) => session.ping(resolve));
    session.destroy();
    await lineOf(id);
    await fetch(`${url}/health`);
    expect(lines.filter(({ level, fields }) => level === "error" && fields.request_id === id)).toEqual([]);
  });

  test("never has what is secret", async () => {
    const { auth, jobs } = server;
    const { username, password, token, refreshToken } = await signIn(server);
    const query = "?token=in-the-query&message=%7B%7D&prompt=private";
    await refusal(auth.login({ identity: username, password: `${password}!` }));
    await refusal(auth.checkAuth({}, { headers: { authorization: `Bearer ${token}-spoilt` } }));
    await auth.validate({ credential: token });
    await auth.refreshToken({ refreshToken });
    await jobs.submitImageJob({ imageId: image?.id ?? "", prompt: "sepia for my secret" }, owner.credential);
    await refusal(jobs.submitImageJob({ imageId: "none", prompt: "sepia for my secret" }, owner.credential));
    for (const path of ["/nothing", `/download/${image?.id}`, checkPath]) {
      await fetch(`${url}${path}${query}`, { headers: { authorization, "x-request-id": id } });
    }
    await vi.waitFor(() => expect(lines.filter(({ fields }) => fields.request_id === id)).toHaveLength(3), {
      timeout: 20_000,
    });
    const written = JSON.stringify(lines, (_key, value) =>
      value instanceof Error ? `${value.stack} ${JSON.stringify(value)} ${value.cause}` : value,
    );
    expect(written).toContain("CheckAuth");
    for (const secret of [owner.token, owner.refreshToken, owner.password, token, refreshToken, password]) {
      expect(secret.length).toBeGreaterThan(10);
      expect(written).not.toContain(secret);
    }
    for (const secret of ["in-the-query", "private", "my secret", "?token"]) expect(written).not.toContain(secret);
  });
});
