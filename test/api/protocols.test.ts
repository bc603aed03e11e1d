import { randomBytes } from "node:crypto";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from "node:zlib";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { compressionGzip, createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { AuthService, Principal_Kind } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { GetImageRequestSchema, ImageJobService, State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { ServerReflection, ServerReflectionRequestSchema } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { reflectionMax } from "../../src/rpc/services/reflection.ts";
import { noisyPicture, smallPicture } from "../support/pictures.ts";
import { drain, refusal, refusalOf } from "../support/refusals.ts";
import { serve, signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { protocols } from "../support/transports.ts";
import { requestHttp2 } from "../support/wire.ts";

const server = await shareServer();
const owner = await signIn(server);
const authorization = `Bearer ${owner.token}`;
const picture = await noisyPicture(200);
const { image } = await server.jobs.uploadImage({ data: picture }, owner.credential);
const imageId = image?.id ?? "";
const jobInput = await server.jobs.uploadImage({ data: await smallPicture() }, owner.credential);
const inputId = jobInput.image?.id ?? "";

describe.each(protocols)("$name", ({ open }) => {
  const transport = open(server.url);
  const auth = createClient(AuthService, transport);
  const jobs = createClient(ImageJobService, transport);

  test("signs up, logs in and says who calls", async () => {
    const username = `User-${randomBytes(4).toString("hex")}`;
    const { account } = await auth.signUp({ username, password: "a longer one" });
    const { tokens, account: same } = await auth.login({ identity: username, password: "a longer one" });
    const headers = { authorization: `Bearer ${tokens?.accessToken}` };
    const { principal } = await auth.checkAuth({}, { headers });
    expect(account).toMatchObject({ username, email: "" });
    expect(same).toEqual(account);
    expect(principal).toMatchObject({ kind: Principal_Kind.USER, account, jobId: "" });
  });

  test("names every broken field, with a stable reason", async () => {
    const refused = await refusal(auth.signUp({ username: "a b", email: "nobody", password: "short" }));
    expect(refused).toMatchObject({
      code: "InvalidArgument",
      reason: "INVALID_FIELD",
      fields: ["username", "email", "password"],
    });
  });

  test("asks for a credential, of calls and of streams", async () => {
    const asked = { code: "Unauthenticated", reason: "CREDENTIAL_MISSING" };
    const call = await refusal(auth.checkAuth({}));
    expect(call).toMatchObject(asked);
    expect(call.metadata.get("www-authenticate")).toMatch(/^Bearer /);
    expect(await refusal(jobs.getImage({ imageId }))).toMatchObject(asked);
  });

  test("streams a picture", async () => {
    const messages = await drain(jobs.getImage({ imageId }, owner.credential));
    expect(messages[0]?.image).toEqual(image);
    expect(messages.slice(1).every((message) => message.image === undefined)).toBe(true);
    expect(Buffer.concat(messages.map(({ data }) => data)).equals(picture)).toBe(true);
  });

  test("streams a refusal with its reason", async () => {
    const refused = await refusal(jobs.getImage({ imageId: "nothing-here" }, owner.credential));
    expect(refused).toMatchObject({ code: "NotFound", reason: "IMAGE_NOT_FOUND" });
  });

  test("watches a job to its end", async () => {
    const { job } = await jobs.submitImageJob({ imageId: inputId, prompt: "sepia" }, owner.credential);
    const seen = await drain(jobs.watchImageJob({ jobId: job?.id ?? "" }, owner.credential));
    const versions = seen.map((message) => Number(message.job?.version));
    expect(seen.at(-1)?.job?.state).toBe(State.SUCCEEDED);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  });
});

describe("plain JSON", () => {
  const procedure = (name: string) => `${server.url}/darkroom.auth.v1.AuthService/${name}`;
  const post = (name: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(procedure(name), { method: "POST", body, headers: { "content-type": "application/json", ...headers } });

  test("logs in with nothing but a body", async () => {
    const response = await post("Login", JSON.stringify({ identity: owner.username, password: owner.password }));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toMatchObject({
      account: { username: owner.username, role: "ROLE_USER" },
      tokens: { accessToken: expect.any(String), refreshToken: expect.any(String) },
    });
  });

  test("takes fields by either of their names", async () => {
    for (const name of ["image_id", "imageId"]) {
      const response = await fetch(`${server.url}/darkroom.imagejob.v1.ImageJobService/SubmitImageJob`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization },
        body: JSON.stringify({ [name]: inputId, prompt: "mirror" }),
      });
      expect(await response.json()).toMatchObject({ job: { state: "STATE_QUEUED", imageId: inputId } });
    }
  });

  test("answers an error with its code, message and details", async () => {
    const response = await post("SignUp", JSON.stringify({ username: "a", password: "a longer one" }));
    expect(response.status).toBe(400);
    const { code, message, details } = (await response.json()) as Record<string, unknown> & {
      details: { type: string }[];
    };
    expect({ code, message }).toMatchObject({ code: "invalid_argument", message: expect.stringContaining("username") });
    expect(details.map(({ type }) => type).toSorted()).toEqual(["google.rpc.BadRequest", "google.rpc.ErrorInfo"]);
  });

  test("reads a compressed body", async () => {
    const body = gzipSync(JSON.stringify({ credential: owner.token }));
    const response = await post("Validate", Uint8Array.from(body), { "content-encoding": "gzip" });
    expect(await response.json()).toMatchObject({ valid: true });
  });

  test("serves CheckAuth by GET", async () => {
    const query = new URLSearchParams({ connect: "v1", encoding: "json", message: "{}" });
    const response = await fetch(`${procedure("CheckAuth")}?${query}`, { headers: { authorization } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ principal: { kind: "KIND_USER" } });
  });

  test.each(["1.1", "2"] as const)(
    "serves what has no side effects to a client that GETs over HTTP/%s",
    async (httpVersion) => {
      const transport = createConnectTransport({ baseUrl: server.url, httpVersion, useHttpGet: true });
      const { principal } = await createClient(AuthService, transport).checkAuth({}, owner.credential);
      const { models } = await createClient(ImageJobService, transport).listModels({}, owner.credential);
      expect(principal?.account?.username).toBe(owner.username);
      expect(models.length).toBeGreaterThan(0);
    },
  );

  test("reads the compressed message of a GET", async () => {
    const message = gzipSync("").toString("base64url");
    const query = new URLSearchParams({ connect: "v1", encoding: "proto", base64: "1", compression: "gzip", message });
    const response = await fetch(`${procedure("CheckAuth")}?${query}`, { headers: { authorization } });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/proto"]);
  });

  test.each([
    ["%%", 401, 400],
    ["A", 401, 400],
    ["e30", 401, 200],
    ["e30=", 401, 200],
  ])("refuses a GET whose message is no base64, of who may call: %s", async (message, ...statuses) => {
    const query = new URLSearchParams({ connect: "v1", encoding: "json", base64: "1", message });
    const strangers = await fetch(`${procedure("CheckAuth")}?${query}`);
    const owners = await fetch(`${procedure("CheckAuth")}?${query}`, { headers: { authorization } });
    expect([strangers.status, owners.status]).toEqual(statuses);
    if (!owners.ok)
      expect(await refusalOf(owners)).toMatchObject({
        code: "invalid_argument",
        message: expect.stringContaining("message: must be base64url"),
      });
  });

  test("does not serve by GET what has side effects", async () => {
    const query = new URLSearchParams({ connect: "v1", encoding: "json", message: "{}" });
    const response = await fetch(`${procedure("Logout")}?${query}`, { headers: { authorization } });
    expect(response.status).toBe(405);
    expect(await server.auth.checkAuth({}, owner.credential)).toBeDefined();
  });
});

describe("compressed requests", () => {
  const options = { baseUrl: server.url, sendCompression: compressionGzip, compressMinBytes: 0 };
  test.each([
    ["gRPC", createGrpcTransport(options)],
    ["Connect", createConnectTransport({ ...options, httpVersion: "1.1", useBinaryFormat: true })],
  ])("are read over %s", async (_name, transport) => {
    const jobs = createClient(ImageJobService, transport);
    const { image: stored } = await jobs.uploadImage({ data: picture }, owner.credential);
    expect(stored?.sizeBytes).toBe(BigInt(picture.length));
    const { job } = await jobs.submitImageJob(
      { imageId: inputId, prompt: "vivid ".repeat(500).trim() },
      owner.credential,
    );
    expect(job?.prompt).toHaveLength(2999);
  });

  const listed = (encoding: string) =>
    requestHttp2(
      server.url,
      {
        ":method": "POST",
        ":path": "/darkroom.imagejob.v1.ImageJobService/ListImageJobs",
        "content-type": "application/json",
        "accept-encoding": encoding,
        authorization,
      },
      Buffer.from("{}"),
    );

  test("get compressed answers when they ask for them", async () => {
    const answer = await listed("gzip");
    expect(answer.headers["content-encoding"]).toBe("gzip");
    expect(JSON.parse(gunzipSync(answer.body).toString())).toHaveProperty("jobs");
  });

  test("get them by Brotli of a quality that takes no longer than gzip", async () => {
    await server.jobs.submitImageJob({ imageId: inputId, prompt: "vivid ".repeat(300).trim() }, owner.credential);
    const { headers, body } = await listed("br");
    expect(headers["content-encoding"]).toBe("br");
    const params = { [constants.BROTLI_PARAM_QUALITY]: 4 };
    expect(body.equals(brotliCompressSync(brotliDecompressSync(body), { params }))).toBe(true);
  });

  test("get pictures as they are, even then", async () => {
    // Random bytes behind its end would be no smaller either; text is.
    const picture = Buffer.concat([await smallPicture("jpeg"), Buffer.from("compressible ".repeat(4000))]);
    const { image } = await server.jobs.uploadImage({ data: picture }, owner.credential);
    const message = toBinary(GetImageRequestSchema, create(GetImageRequestSchema, { imageId: image?.id ?? "" }));
    const answer = await requestHttp2(
      server.url,
      {
        ":method": "POST",
        ":path": "/darkroom.imagejob.v1.ImageJobService/GetImage",
        "content-type": "application/grpc",
        "grpc-accept-encoding": "gzip",
        authorization,
      },
      encodeEnvelope(0, message),
    );
    expect(answer.headers["grpc-encoding"]).toBe("gzip");
    expect(answer.body.includes(picture)).toBe(true);
  });
});

describe("plain HTTP routes over HTTP/2", () => {
  test("store a picture and give it back", async () => {
    const body = await smallPicture("webp");
    const headers = { ":method": "POST", ":path": "/images", "content-type": "image/webp", authorization };
    const stored = await requestHttp2(server.url, headers, body);
    const { uuid } = JSON.parse(stored.body.toString());
    expect(stored.status).toBe(201);
    expect(stored.headers.location).toBe(`/download/${uuid}`);

    const fetched = await requestHttp2(server.url, { ":path": `/download/${uuid}`, authorization });
    expect(fetched).toMatchObject({ status: 200, headers: { "content-type": "image/webp" } });
    expect(fetched.body.equals(body)).toBe(true);
  });

  test("read a multipart form", async () => {
    const form = new FormData();
    form.set("file", new Blob([await smallPicture("png")]), "picture.png");
    const encoded = new Response(form);
    const type = encoded.headers.get("content-type") ?? "";
    const headers = { ":method": "POST", ":path": "/images", "content-type": type, authorization };
    const stored = await requestHttp2(server.url, headers, Buffer.from(await encoded.arrayBuffer()));
    expect(stored.status).toBe(201);
  });

  test("ask for a credential, and say so when there is nothing", async () => {
    const refused = await requestHttp2(server.url, { ":path": `/download/${imageId}` });
    expect(refused).toMatchObject({ status: 401, headers: { "www-authenticate": expect.stringMatching(/^Bearer /) } });
    const missing = await requestHttp2(server.url, { ":path": "/nothing" });
    expect(missing).toMatchObject({
      status: 404,
      headers: { "content-type": expect.stringMatching(/^application\/problem\+json/) },
    });
  });
});

const reflectionV1 = createClient(ServerReflection, createGrpcTransport({ baseUrl: server.url }));
// The same messages under another name.
const reflectionAlpha = createClient(ServerReflectionAlpha, createGrpcTransport({ baseUrl: server.url })) as unknown;

describe.each([
  ["v1", reflectionV1],
  ["v1alpha", reflectionAlpha as typeof reflectionV1],
] as const)("reflection %s", (version, client) => {
  type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

  async function ask(...questions: Question[]) {
    async function* requests() {
      for (const messageRequest of questions) yield { host: "here", messageRequest };
    }
    return drain(client.serverReflectionInfo(requests()));
  }

  async function filesOf(...questions: Question[]): Promise<FileDescriptorProto[]> {
    const answers = await ask(...questions);
    return answers.flatMap(({ messageResponse }) => {
      if (messageResponse.case !== "fileDescriptorResponse") throw new Error(`answered ${messageResponse.case}`);
      return messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    });
  }

  test("lists every service", async () => {
    const [answer] = await ask({ case: "listServices", value: "" });
    const listed = answer?.messageResponse.case === "listServicesResponse" ? answer.messageResponse.value.service : [];
    expect(listed.map(({ name }) => name).toSorted()).toEqual([
      "darkroom.auth.v1.AuthService",
      "darkroom.imagejob.v1.ImageJobService",
      "darkroom.worker.v1.WorkerService",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ]);
    expect(answer).toMatchObject({ validHost: "here", originalRequest: { host: "here" } });
  });

  test.each([
    "darkroom.imagejob.v1.ImageJobService",
    "darkroom.imagejob.v1.ImageJobService.WatchImageJob",
    "darkroom.imagejob.v1.ImageJob",
    "darkroom.imagejob.v1.STATE_QUEUED",
    "darkroom.auth.v1.Principal.Kind",
    "google.rpc.BadRequest.FieldViolation",
    "grpc.health.v1.Health",
  ])("describes %s with all that it needs", async (value) => {
    const files = await filesOf({ case: "fileContainingSymbol", value });
    const names = new Set(files.map(({ name }) => name));
    expect(files.flatMap(({ dependency }) => dependency).filter((name) => !names.has(name))).toEqual([]);
    expect(files[0]?.package).toBe(
      value
        .split(".")
        .slice(0, value.startsWith("google") ? 2 : 3)
        .join("."),
    );
  });

  test("gives files by name, several questions on one stream", async () => {
    const names = ["darkroom/auth/v1/auth.proto", "google/protobuf/timestamp.proto"];
    const files = await filesOf(...names.map((value) => ({ case: "fileByFilename", value }) as const));
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
  });

  test("answers so many questions on one stream", async () => {
    const many = Array.from({ length: reflectionMax.questions }, () => ({ case: "listServices", value: "" }) as const);
    expect(await ask(...many)).toHaveLength(many.length);
    expect(await refusal(ask(...many, ...many))).toMatchObject({
      code: "ResourceExhausted",
      reason: "REFLECTION_SPENT",
      message: expect.stringContaining("100 questions"),
    });
  });

  test("compresses nothing, whatever its caller would take", async () => {
    const question = create(ServerReflectionRequestSchema, {
      messageRequest: { case: "fileContainingSymbol", value: "darkroom.auth.v1.AuthService" },
    });
    const headers = {
      ":method": "POST",
      ":path": `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      "content-type": "application/grpc",
      "grpc-accept-encoding": "br, gzip",
    };
    const sent = encodeEnvelope(0, toBinary(ServerReflectionRequestSchema, question));
    const { body } = await requestHttp2(server.url, headers, sent);
    expect([body[0], body.readUInt32BE(1) + 5]).toEqual([0, body.length]);
    expect(body.length).toBeGreaterThan(10_000);
  });

  test.each([
    { case: "fileContainingSymbol", value: "darkroom.nothing.Here" },
    { case: "fileByFilename", value: "nothing.proto" },
    { case: "allExtensionNumbersOfType", value: "darkroom.nothing.Here" },
  ] as const)("says not found to $case of $value", async (question) => {
    const [answer] = await ask(question);
    expect(answer?.messageResponse).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
  });
});

describe("reflection", () => {
  /** Asks one question and leaves the stream open; its next answer is how it ends. */
  async function openStream(url: string) {
    const leave = new AbortController();
    const { promise: over, resolve } = Promise.withResolvers<void>();
    leave.signal.addEventListener("abort", () => resolve());
    onTestFinished(() => leave.abort());
    async function* requests() {
      yield { messageRequest: { case: "listServices", value: "" } as const };
      await over;
    }
    const { signal } = leave;
    const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: url }));
    const answers = client.serverReflectionInfo(requests(), { signal })[Symbol.asyncIterator]();
    await answers.next();
    return { next: () => answers.next(), leave: () => leave.abort() };
  }

  test("has so many streams of an address at a time, and a place for another when one ends", async () => {
    const { url } = await serve({}, { worker: false });
    const [one] = await Promise.all(Array.from({ length: reflectionMax.streams.each }, () => openStream(url)));
    const full = await refusal(openStream(url));
    expect(full).toMatchObject({ code: "ResourceExhausted", reason: "REFLECTION_FULL" });
    one?.leave();
    await vi.waitFor(() => openStream(url), { timeout: 20_000, interval: 50 });
  });

  test("ends a stream that waits for a question when the server stops", async () => {
    const { url, app } = await serve({}, { worker: false });
    const { next } = await openStream(url);
    const ended = refusal(next());
    await app.stop();
    expect(await ended).toMatchObject({ code: "Unavailable", message: "the stream ends here; call again" });
  });
});

describe("health", () => {
  const health = createClient(Health, createGrpcTransport({ baseUrl: server.url }));

  test.each(["", "darkroom.auth.v1.AuthService", "darkroom.worker.v1.WorkerService"])("serves %j", async (service) => {
    expect(await health.check({ service })).toMatchObject({ status: Status.SERVING });
  });

  test("does not know other services", async () => {
    expect(await refusal(health.check({ service: "nothing" }))).toMatchObject({ code: "NotFound" });
    for await (const { status } of health.watch({ service: "nothing" })) {
      expect(status).toBe(Status.SERVICE_UNKNOWN);
      break;
    }
  });

  test("lists the services that it knows", async () => {
    const { statuses } = await health.list({});
    expect(statuses[""]).toMatchObject({ status: Status.SERVING });
    const names = ["darkroom.live", "darkroom.backend.database", "darkroom.backend.queue"];
    expect(Object.keys(statuses)).toEqual(expect.arrayContaining(["darkroom.imagejob.v1.ImageJobService", ...names]));
    expect(Object.values(statuses).every(({ status }) => status === Status.SERVING)).toBe(true);
  });

  test("answers JSON without a credential", async () => {
    const response = await fetch(`${server.url}/grpc.health.v1.Health/Check`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(await response.json()).toEqual({ status: "SERVING" });
  });

  test("is watched until the server stops, which is not serving any more and says so", async () => {
    const stopping = await serve({}, { worker: false });
    const watched = createClient(Health, createGrpcTransport({ baseUrl: stopping.url })).watch({});
    const seen: Status[] = [];
    const watching = (async () => {
      for await (const { status } of watched) {
        seen.push(status);
        if (seen.length === 1) void stopping.app.stop();
      }
    })();
    expect(await refusal(watching)).toMatchObject({ code: "Unavailable", message: "the watch ends here; call again" });
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
  });

  test("is watched until its caller's time is up", async () => {
    const headers = { ":method": "POST", ":path": `/${Health.typeName}/Watch`, "content-type": "application/grpc" };
    const answer = await requestHttp2(server.url, { ...headers, "grpc-timeout": "200m" }, Buffer.alloc(5));
    expect(answer.trailers["grpc-status"]).toBe(String(Code.DeadlineExceeded));
  });
});
