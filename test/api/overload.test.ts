import { once } from "node:events";
import { request as requestHttp1, type ServerResponse } from "node:http";
import { connect as connectHttp2, constants } from "node:http2";
import { text } from "node:stream/consumers";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { ImageJobService, State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { retryDelayOf } from "../../src/client/errors.ts";
import { bearer } from "../../src/client/index.ts";
import type { Log } from "../../src/ports/log.ts";
import { serviceKey, startImageService } from "../support/image-service.ts";
import { smallPicture } from "../support/pictures.ts";
import { drain, refusal, refusalOf } from "../support/refusals.ts";
import { serve, signIn, submitJob } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { requestHttp2 } from "../support/wire.ts";

const lines: { fields: Record<string, unknown>; message: string }[] = [];
const write = (fields: Readonly<Record<string, unknown>>, message: string) => void lines.push({ fields, message });
const log: Log = { debug: write, info: write, warn: write, error: write };

let isTooMuch = false;
const env = { DARKROOM_UPLOADS_MAX_MIB: "8", CORS_ORIGINS: "https://app.example.com" };
const server = await shareServer(env, { worker: false, log, pressure: () => isTooMuch });
const { url, auth, jobs } = server;
const { credential, token } = await signIn(server);
const authorization = `Bearer ${token}`;

beforeEach(() => {
  isTooMuch = false;
  lines.length = 0;
});

describe("while more comes than can be answered", () => {
  beforeEach(() => {
    isTooMuch = true;
  });

  const transports = {
    "Connect, HTTP/1.1": createConnectTransport({ baseUrl: url, httpVersion: "1.1" }),
    "Connect, HTTP/2": createConnectTransport({ baseUrl: url, httpVersion: "2" }),
    "Connect by GET": createConnectTransport({ baseUrl: url, httpVersion: "1.1", useHttpGet: true }),
    gRPC: createGrpcTransport({ baseUrl: url }),
    "gRPC-Web": createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1" }),
  };

  test.for(Object.entries(transports))("%s refuses calls and streams, and says when to try again", async ([, by]) => {
    const calls = [
      () => createClient(AuthService, by).checkAuth({}, credential),
      () => createClient(ImageJobService, by).watchImageJob({ jobId: "any" }, credential),
    ];
    for (const call of calls) {
      const { code, reason, metadata } = await refusal(call());
      expect({ code, reason }).toEqual({ code: "ResourceExhausted", reason: "OVERLOADED" });
      expect(metadata.get("retry-after")).toBe("1");
    }
  });

  test.for(["application/grpc", "application/grpc-web+proto"])(
    "%s is told by headers that end the stream",
    async (type) => {
      const path = "/darkroom.auth.v1.AuthService/CheckAuth";
      const headers = { ":method": "POST", ":path": path, "content-type": type, te: "trailers", authorization };
      const answer = await requestHttp2(url, headers, Buffer.alloc(5));
      expect(answer).toMatchObject({ status: 200, endsWithHeaders: true });
      expect(answer.headers).toMatchObject({ "content-type": type, "grpc-status": String(Code.ResourceExhausted) });
      expect(answer.headers["x-request-id"]).toMatch(/^\w{32}$/);
    },
  );

  test("our own client is told how long to wait", async () => {
    const error = await auth.checkAuth({}, credential).catch((thrown: unknown) => thrown);
    expect(retryDelayOf(error)).toBe(1000);
  });

  test.for(["/session/validate", "/openapi.json"])("%s is refused by a problem, and with an id", async (path) => {
    const response = await fetch(url + path);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(response.headers.get("x-request-id")).toMatch(/^\w{32}$/);
    expect(await refusalOf(response)).toMatchObject({ status: 429, reason: "OVERLOADED" });
  });

  test.for(["check_auth", "get_image?message_id=1"])("/api/%s is refused in PocketBase's shape", async (path) => {
    const response = await fetch(`${url}/api/${path}`, { headers: { authorization } });
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toMatchObject({ code: 429, data: {} });
  });

  test.for(["/health", "/health/live", "/health/ready?x=1", "/api/health"])("%s is answered", async (path) => {
    expect((await fetch(url + path)).status).toBe(200);
  });

  test("gRPC's health checks are answered", async () => {
    expect(await createClient(Health, transports.gRPC).check({})).toMatchObject({ status: 1 });
  });

  test("workers' claims and heartbeats are answered", async () => {
    const { worker } = server;
    for (const call of [() => worker.claimJob({ dispatch: 1 }, credential), () => worker.heartbeat({}, credential)])
      expect(await refusal(call())).toMatchObject({ code: "PermissionDenied", reason: "NOT_ALLOWED" });
  });

  test("browsers may read the refusal", async () => {
    const response = await fetch(`${url}/session/validate`, { headers: { origin: env.CORS_ORIGINS } });
    expect(response.headers.get("access-control-allow-origin")).toBe(env.CORS_ORIGINS);
  });

  test("the log has one line for all that are refused", async () => {
    const calls = Array.from({ length: 5 }, () => fetch(`${url}/session/validate`));
    await Promise.all(calls);
    const about = () => lines.filter(({ message }) => message.startsWith("calls are refused"));
    const count = () => about().reduce((sum, { fields }) => sum + Number(fields.OVERLOADED), 0);
    await vi.waitFor(() => expect(count()).toBeGreaterThanOrEqual(calls.length), { timeout: 5000 });
    // Those of the tests before it may have one of their own.
    expect(about().length).toBeLessThanOrEqual(2);
    expect(lines.filter(({ message }) => message === "request")).toEqual([]);
  });
});

test("a stream that is open lives on", async () => {
  const { jobId } = await submitJob({ jobs }, credential);
  const watch = jobs.watchImageJob({ jobId }, credential)[Symbol.asyncIterator]();
  await watch.next();
  isTooMuch = true;
  expect((await refusal(auth.checkAuth({}, credential))).reason).toBe("OVERLOADED");
  isTooMuch = false;
  await jobs.cancelImageJob({ jobId }, credential);
  const rest = await drain({ [Symbol.asyncIterator]: () => watch });
  expect(rest.at(-1)?.job?.state).toBe(State.CANCELLED);
});

describe("large uploads", () => {
  const path = "/darkroom.imagejob.v1.ImageJobService/UploadImage";
  const headers = { "content-type": "application/json", authorization };

  const MiB = 1024 * 1024;
  interface Upload {
    readonly answer: Promise<Response>;
    end(): void;
  }

  /** One that does not say how long it is. All but its last MiB has been read: so much may be on its way over HTTP/2. */
  async function openUpload(bytes: number, query = "", by: Record<string, string> = headers): Promise<Upload> {
    const session = connectHttp2(url);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":method": "POST", ":path": path + query, ...by });
    const answer = once(stream, "response").then(
      async ([{ ":status": status }]) => new Response(await text(stream), { status }),
    );
    await new Promise((resolve) => stream.write(Buffer.from("{".padEnd(bytes)), resolve));
    return { answer, end: () => void stream.end() };
  }

  const reasonOf = async ({ answer, end }: Upload) => {
    end();
    return (await refusalOf(await answer)).reason;
  };

  type Headers = Readonly<Record<string, string>>;

  /** Begins an upload, and ends it no more when its answer has come. */
  const beginners: Readonly<Record<string, (headers: Headers) => Promise<void>>> = {
    async "HTTP/1.1"(headers) {
      const upload = requestHttp1(url + path, { method: "POST", headers });
      onTestFinished(() => void upload.on("error", () => {}).destroy());
      upload.write(" ");
      await once(upload, "response");
    },
    async "HTTP/2"(headers) {
      const session = connectHttp2(url);
      onTestFinished(() => session.destroy());
      const upload = session.request({ ":method": "POST", ":path": path, ...headers });
      upload.write(" ");
      await once(upload, "response");
    },
  };
  const long = { "content-length": String(29 * 1024 * 1024) };
  const whole = async () =>
    JSON.stringify({ data: Buffer.from(await smallPicture()).toString("base64") }).padEnd(100_000);
  const send = async () => fetch(url + path, { method: "POST", headers, body: await whole() });

  test.for([
    ["strangers by Connect", "HTTP/1.1", { "content-type": "application/json", ...long }],
    ["strangers by Connect", "HTTP/2", { "content-type": "application/json", ...long }],
    ["strangers by gRPC", "HTTP/2", { "content-type": "application/grpc", te: "trailers" }],
    ["callers whose body is too long", "HTTP/1.1", { ...headers, ...long }],
    ["callers whose body is too long", "HTTP/2", { ...headers, ...long }],
  ] as const)("%s over %s have no place once they are answered", async ([, version, sent]) => {
    await Promise.all(Array.from({ length: 5 }, () => beginners[version]?.(sent)));
    expect((await send()).status).toBe(200);
  });

  test("while it is full small ones are taken, and a place is free again when one ends", async () => {
    const first = await openUpload(5 * MiB);
    const data = await smallPicture();
    for (const httpVersion of ["1.1", "2"] as const) {
      const by = createConnectTransport({ baseUrl: url, httpVersion });
      await createClient(ImageJobService, by).uploadImage({ data }, credential);
    }
    await createClient(ImageJobService, createGrpcTransport({ baseUrl: url })).uploadImage({ data }, credential);
    expect(await reasonOf(await openUpload(5 * MiB))).toBe("UPLOADS_FULL");
    expect(await reasonOf(first)).toBeUndefined();
    expect(await reasonOf(await openUpload(5 * MiB))).toBeUndefined();
  });

  test("many that have hardly begun leave room", async () => {
    const uploads = await Promise.all(Array.from({ length: 20 }, () => openUpload(100)));
    expect((await send()).status).toBe(200);
    for (const upload of uploads) expect(await reasonOf(upload)).toBeUndefined();
  });

  test.for([
    ["a query", "?x=1", headers],
    ["another spelling of its type", "", { ...headers, "content-type": "application/json; charset=utf-8" }],
  ] as const)("one with %s counts as well", async ([, query, by]) => {
    const first = await openUpload(5 * MiB, query, by);
    expect(await reasonOf(await openUpload(5 * MiB, query, by))).toBe("UPLOADS_FULL");
    expect(await reasonOf(first)).toBeUndefined();
  });

  test.each(["gzip", "br"])("one that is compressed by %s counts as the largest", async (encoding) => {
    const first = await openUpload(5 * MiB);
    const compressed = { ...headers, "content-type": "application/proto", "content-encoding": encoding };
    expect(await reasonOf(await openUpload(1, "", compressed))).toBe("UPLOADS_FULL");
    expect(await reasonOf(first)).toBeUndefined();
  });

  test("one that is compressed by gRPC counts so, too", async () => {
    const first = await openUpload(5 * MiB);
    const session = connectHttp2(url);
    onTestFinished(() => session.destroy());
    const compressed = { authorization, "content-type": "application/grpc", te: "trailers", "grpc-encoding": "gzip" };
    const stream = session.request({ ":method": "POST", ":path": path, ...compressed });
    const [trailers] = await once(stream.resume(), "trailers");
    expect(trailers["grpc-status"]).toBe(String(Code.ResourceExhausted));
    expect(await reasonOf(first)).toBeUndefined();
  });

  test("one by gRPC is refused when it has no room", async () => {
    const first = await openUpload(5 * MiB);
    const by = createClient(ImageJobService, createGrpcTransport({ baseUrl: url }));
    const upload = () => refusal(by.uploadImage({ data: Buffer.alloc(5 * MiB) }, credential));
    expect(await upload()).toMatchObject({ code: "ResourceExhausted", reason: "UPLOADS_FULL" });
    expect(await reasonOf(first)).toBeUndefined();
    expect(await upload()).toMatchObject({ code: "InvalidArgument" });
  });

  describe("of another address", () => {
    async function serveProxied() {
      const other = await serve({ ...env, TRUSTED_PROXIES: "loopback" }, { worker: false });
      const { token } = await signIn(other);
      const by = (address: string) => ({ authorization: `Bearer ${token}`, "x-forwarded-for": address });
      const session = connectHttp2(other.url);
      onTestFinished(() => session.destroy());
      /** Begins one that is announced, and sends nothing of it. */
      const begin = (bytes: number) => {
        const announced = { "content-type": "application/proto", "content-length": String(bytes) };
        const stream = session.request({ ":method": "POST", ":path": path, ...announced, ...by("192.0.2.1") });
        return stream.on("error", () => {});
      };
      const send = async (bytes: number) => {
        const body = (await whole()).padEnd(bytes);
        return fetch(other.url + path, { method: "POST", headers: { ...headers, ...by("192.0.2.2") }, body });
      };
      return { begin, send };
    }

    test("many give way, so that a few that never come shut nobody out", async () => {
      const { begin, send } = await serveProxied();
      const uploads = Array.from({ length: 5 }, () => begin(2 * MiB));
      const refused = await Promise.any(uploads.map((stream) => once(stream, "response").then(() => stream)));
      const waiting = uploads.filter((stream) => stream !== refused);
      const cut = Promise.any(waiting.map((stream) => once(stream, "close").then(() => stream)));
      expect((await send(MiB)).status).toBe(200);
      expect((await cut).rstCode).toBe(constants.NGHTTP2_CANCEL);
      expect(waiting.filter(({ closed }) => closed)).toEqual([await cut]);
    });

    test("one stays, however large it is", async () => {
      const { begin, send } = await serveProxied();
      const large = [begin(8 * MiB), begin(8 * MiB)];
      const refused = await Promise.any(large.map((stream) => once(stream, "response").then(() => stream)));
      expect(await refusalOf(await send(MiB))).toMatchObject({ reason: "UPLOADS_FULL" });
      expect(large.filter((stream) => stream !== refused && !stream.closed)).toHaveLength(1);
    });
  });

  test("one whose caller has left counts while its picture is still being stored", async () => {
    const service = await startImageService();
    const asked = new Promise<ServerResponse>((resolve) => service.behave((_request, response) => resolve(response)));
    const more = { IMAGE_SERVICE_URL: service.url, IMAGE_SERVICE_API_KEY: serviceKey, DARKROOM_UPLOADS_MAX_MIB: "1" };
    const other = await serve(more, { worker: false });
    const { token } = await signIn(other);
    const body = (await whole()).padEnd(0.9 * MiB);
    const sent = { method: "POST", headers: { ...headers, authorization: `Bearer ${token}` }, body };
    const leaving = new AbortController();
    const left = fetch(other.url + path, { ...sent, signal: leaving.signal });
    const response = await asked;
    leaving.abort();
    await expect(left).rejects.toThrow();
    await other.auth.checkAuth({}, bearer(token));
    expect(await refusalOf(await fetch(other.url + path, sent))).toMatchObject({ reason: "UPLOADS_FULL" });
    service.behave(undefined);
    response.writeHead(500).end();
    await vi.waitFor(async () => expect((await fetch(other.url + path, sent)).status).toBe(200), { timeout: 5000 });
  });
});
