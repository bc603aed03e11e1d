import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { compressionBrotli, createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { ImageJobService, SubmitImageJobRequestSchema } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { ServerReflectionRequestSchema } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { isFast } from "../support/fast-rpc.ts";
import { refusalByGrpcJs } from "../support/grpc-js.ts";
import { noisyPicture, paddedPng, pngBomb, smallPicture } from "../support/pictures.ts";
import { refusal, refusalOf } from "../support/refusals.ts";
import { signIn, signInAdmin } from "../support/server.ts";
import { shareServerProcess } from "../support/shared-process.ts";
import { shareServer } from "../support/shared-server.ts";
import { protocols } from "../support/transports.ts";
import { exchange, requestHttp2 } from "../support/wire.ts";

const MiB = 1024 * 1024;
const server = await shareServerProcess();
const { url, jobs } = server;
const owner = await signIn(server);
const authorization = `Bearer ${owner.token}`;
const { image } = await jobs.uploadImage({ data: await smallPicture() }, owner.credential);
const imageId = image?.id ?? "";
const memoryBefore = server.memory();

// Left alone while everything else runs: all of them must be closed in the end.
const slow = ["", "PRI * HT", "GET / HTTP/1.1\r\nHost: x\r\nX-Half"].map((bytes) => exchange(url, bytes));

const submitPath = "/darkroom.imagejob.v1.ImageJobService/SubmitImageJob";
const loginPath = "/darkroom.auth.v1.AuthService/Login";
const post = (
  path: string,
  body: string | Uint8Array<ArrayBuffer> | FormData | ReadableStream,
  headers: Record<string, string> = {},
) => fetch(`${url}${path}`, { method: "POST", body, duplex: "half", headers: { authorization, ...headers } });
const postJson = (path: string, body: string | Uint8Array<ArrayBuffer>) =>
  post(path, body, { "content-type": "application/json" });
const submit = (wanted: MessageInitShape<typeof SubmitImageJobRequestSchema>) =>
  jobs.submitImageJob({ imageId, prompt: "sepia", ...wanted }, owner.credential);

describe("a field that breaks its rule", () => {
  const soon = Date.now() + 60_000;
  const week = 7 * 24 * 60 * 60 * 1000;

  test.each<[string, MessageInitShape<typeof SubmitImageJobRequestSchema>, string]>([
    ["an empty prompt", { prompt: "" }, "prompt"],
    ["a blank prompt", { prompt: " \n\t " }, "prompt"],
    ["4001 characters", { prompt: "x".repeat(4001) }, "prompt"],
    ["4001 astral characters", { prompt: "😀".repeat(4001) }, "prompt"],
    ["a replacement character", { prompt: "sepia \uFFFD" }, "prompt"],
    ["a guidance below 0", { promptGuidance: -0.001 }, "prompt_guidance"],
    ["a guidance above 30", { promptGuidance: 30.001 }, "prompt_guidance"],
    ["a guidance that is no number", { promptGuidance: Number.NaN }, "prompt_guidance"],
    ["an infinite guidance", { promptGuidance: Number.POSITIVE_INFINITY }, "prompt_guidance"],
    ["a strength below 0", { strength: -1 }, "strength"],
    ["a strength above 1", { strength: 1.0001 }, "strength"],
    ["a strength that is no number", { strength: Number.NaN }, "strength"],
    ["an infinite strength", { strength: Number.NEGATIVE_INFINITY }, "strength"],
    ["no pictures", { imageCount: 0 }, "image_count"],
    ["five pictures", { imageCount: 5 }, "image_count"],
    ["the most pictures", { imageCount: 4_294_967_295 }, "image_count"],
    ["an unknown model", { modelType: "sd-3" }, "model_type"],
    ["a model of the prototype", { modelType: "__proto__" }, "model_type"],
    ["no image", { imageId: "" }, "image_id"],
    ["a deadline that has passed", { deadline: timestampFromMs(Date.now() - 1) }, "deadline"],
    ["a deadline over a week ahead", { deadline: timestampFromMs(soon + week) }, "deadline"],
    ["a deadline after all calendars", { deadline: { seconds: 9_223_372_036_854_775_807n } }, "deadline"],
    ["a deadline before all calendars", { deadline: { seconds: -9_223_372_036_854_775_808n } }, "deadline"],
  ])("is named: %s", async (_what, wanted, field) => {
    expect(await refusal(submit(wanted))).toMatchObject({
      code: "InvalidArgument",
      reason: "INVALID_FIELD",
      fields: [field],
    });
  });

  test("is named with all others that do", async () => {
    const refused = await refusal(submit({ prompt: "", strength: 2, imageCount: 9, modelType: "x" }));
    expect(refused.fields).toEqual(["prompt", "strength", "model_type", "image_count"]);
  });

  test.each([
    ["promptGuidance", '"a lot"'],
    ["strength", "{}"],
    ["seed", "4294967296"],
    ["seed", "-1"],
    ["seed", "1.5"],
    ["imageCount", '"two"'],
    ["modelType", '{"$gt":""}'],
    ["modelType", "17"],
    ["requestId", '["sepia"]'],
  ])("is named when JSON has the wrong type: %s as %s", async (field, value) => {
    const response = await postJson(submitPath, `{"imageId":"${imageId}","prompt":"sepia","${field}":${value}}`);
    const refused = await refusalOf(response);
    expect(refused).toMatchObject({ status: 400, code: "invalid_argument" });
    expect(refused.message).toContain(field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
  });

  test.each([
    ["strength", '"NaN"'],
    ["strength", '"Infinity"'],
    ["strength", '"-Infinity"'],
    ["strength", "1e400"],
    ["strength", "NaN"],
    ["prompt", '"twice"'],
    ["deadline", '"tomorrow"'],
    ["deadline", '"9999-99-99T00:00:00Z"'],
  ])("is refused in JSON: %s as %s", async (field, value) => {
    const response = await postJson(submitPath, `{"imageId":"${imageId}","prompt":"sepia","${field}":${value}}`);
    expect(await refusalOf(response)).toMatchObject({ status: 400, code: "invalid_argument" });
  });
});

describe("a time that is none to protobuf", async () => {
  const { credential: admin } = await signInAdmin(server);
  const { client } = await server.auth.createClient({ client: { name: "times", scopes: ["jobs:read"] } }, admin);
  const [jobId, clientId] = [(await submit({})).job?.id ?? "", client?.id ?? ""];
  const { auth } = server;

  test.each([
    { seconds: 9_000_000_000_000_000_000n },
    { seconds: 253_402_300_800n },
    { seconds: -62_135_596_801n },
    { seconds: BigInt(Math.ceil(Date.now() / 1000) + 3600), nanos: -5 },
    { seconds: BigInt(Math.ceil(Date.now() / 1000) + 3600), nanos: 2_000_000_000 },
  ])("is named: the moment %o", async (time) => {
    const calls = {
      deadline: submit({ deadline: time }),
      start_time: auth.listAuditEvents({ startTime: time }, admin),
      end_time: auth.listAuditEvents({ endTime: time }, admin),
      expire_time: auth.createClient({ client: { name: "late", scopes: ["jobs:read"], expireTime: time } }, admin),
    };
    for (const [field, call] of Object.entries(calls))
      expect(await refusal(call)).toMatchObject({
        code: "InvalidArgument",
        fields: [field],
        message: `${field}: must be in the years 1 to 9999, with 0 to 999999999 nanos`,
      });
  });

  test.each([
    { nanos: 2_000_000_000 },
    { nanos: 1_000_000_000 },
    { seconds: 1n, nanos: -1 },
    { seconds: 315_576_000_001n },
    { seconds: -9_223_372_036_854_775_808n },
  ])("is named: the length %o", async (length) => {
    const calls = {
      wait: jobs.pollImageJob({ jobId, wait: length }, owner.credential),
      grace_period: auth.regenerateClientKey({ clientId, gracePeriod: length }, admin),
    };
    for (const [field, call] of Object.entries(calls))
      expect(await refusal(call)).toMatchObject({
        code: "InvalidArgument",
        fields: [field],
        message: expect.stringContaining("at most 999999999 nanos of their sign"),
      });
  });

  test("is not the first or the last moment there is", async () => {
    const [startTime, endTime] = [{ seconds: -62_135_596_800n }, { seconds: 253_402_300_799n, nanos: 999_999_999 }];
    const { events } = await auth.listAuditEvents({ startTime, endTime }, admin);
    expect(events.length).toBeGreaterThan(0);
    await auth.createClient({ client: { name: "latest", scopes: ["jobs:read"], expireTime: endTime } }, admin);
  });
});

test("4000 astral characters are no more than 4000", async () => {
  const prompt = "😀".repeat(4000);
  expect((await submit({ prompt })).job?.prompt).toBe(prompt);
});

describe("a prompt that is no UTF-8", () => {
  const binary = Buffer.from(
    toBinary(SubmitImageJobRequestSchema, create(SubmitImageJobRequestSchema, { imageId, prompt: "@@@@" })),
  );
  const broken = Uint8Array.from(binary, (byte) => (byte === 0x40 ? 0xff : byte));
  const expected = { reason: "INVALID_FIELD", fields: ["prompt"] };

  test("is refused in JSON", async () => {
    const json = Buffer.from(JSON.stringify({ imageId, prompt: "@@@@" }));
    const response = await postJson(
      submitPath,
      Uint8Array.from(json, (byte) => (byte === 0x40 ? 0xff : byte)),
    );
    expect(await refusalOf(response)).toMatchObject({ status: 400, code: "invalid_argument", ...expected });
  });

  test("is refused in JSON as a lone surrogate", async () => {
    const response = await postJson(submitPath, `{"imageId":"${imageId}","prompt":"sepia \\ud800"}`);
    expect(await refusalOf(response)).toMatchObject({ status: 400, code: "invalid_argument" });
  });

  test("is refused in Connect's binary format", async () => {
    const response = await post(submitPath, broken, { "content-type": "application/proto" });
    expect(await refusalOf(response)).toMatchObject({ status: 400, code: "invalid_argument", ...expected });
  });

  test("is refused over gRPC", async () => {
    const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, broken.length]), broken]);
    const headers = { ":method": "POST", ":path": submitPath, "content-type": "application/grpc", te: "trailers" };
    const answer = await requestHttp2(url, { ...headers, authorization }, frame);
    const error = findTrailerError(
      new Headers(
        Object.entries({ ...answer.headers, ...answer.trailers }).filter(
          (entry): entry is [string, string] => !entry[0].startsWith(":") && typeof entry[1] === "string",
        ),
      ),
    );
    expect(await refusal(Promise.reject(error))).toMatchObject({ code: "InvalidArgument", ...expected });
  });
});

describe.each([
  ["very long", "x".repeat(60_000)],
  ["65 characters long", "x".repeat(65)],
  ["with slashes", "../../../etc/passwd"],
  ["with a zero byte", `${imageId}\0`],
  ["with quotes", "x' OR '1'='1' --"],
  ["an operator", '{"$gt":""}'],
  ["of other letters", "жжж"],
  ["blank", " "],
  ["of the prototype", "__proto__"],
  ["unknown", "00000000-0000-4000-8000-000000000000"],
])("an id that is %s", (_what, id) => {
  test("is not found", async () => {
    for (const call of [
      () => jobs.pollImageJob({ jobId: id }, owner.credential),
      () => jobs.watchImageJob({ jobId: id }, owner.credential),
      () => jobs.cancelImageJob({ jobId: id }, owner.credential),
      () => jobs.getImage({ imageId: id }, owner.credential),
      () => submit({ imageId: id }),
    ]) {
      expect(await refusal(call())).toMatchObject({ code: "NotFound" });
    }
  });

  // A longer one fits into no request's head.
  if (id.length > 10_000) return;
  test("is not found in a path", async () => {
    const response = await fetch(`${url}/download/${encodeURIComponent(id)}`, { headers: { authorization } });
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(await response.json()).toMatchObject({ status: 404, request_id: response.headers.get("x-request-id") });
  });
});

describe("what is no picture", async () => {
  const [jpeg, png, webp] = [
    await noisyPicture(60, "jpeg"),
    await noisyPicture(60, "png"),
    await noisyPicture(60, "webp"),
  ];
  const text = new TextEncoder();
  const notPictures: [string, Uint8Array<ArrayBuffer>][] = [
    ["text", text.encode("not a picture")],
    ["much text", text.encode("not a picture ".repeat(400_000))],
    ["one byte", Uint8Array.of(0xff)],
    ["a GIF", text.encode("GIF89a\x01\x00\x01\x00\x00\x00\x00;")],
    ["an SVG", text.encode('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')],
    ["half a JPEG", jpeg.slice(0, jpeg.length / 2)],
    ["half a PNG", png.slice(0, png.length / 2)],
    ["half a WebP", webp.slice(0, webp.length / 2)],
    ["a JPEG without its last byte", jpeg.slice(0, -1)],
    ["a PNG without its last byte", png.slice(0, -1)],
    ["a WebP without its last byte", webp.slice(0, -1)],
    ["a JPEG's first bytes", jpeg.slice(0, 20)],
    ["a PNG's signature", png.slice(0, 8)],
    ["a WebP's first bytes", webp.slice(0, 12)],
    ["a PNG of 30000 × 30000 in 100 bytes", pngBomb(30_000, 30_000)],
    ["a PNG of 4294967295 × 4294967295", pngBomb(4_294_967_295, 4_294_967_295)],
    ["a PNG of no width", pngBomb(0, 5)],
    ["a JPEG of marker bytes alone", Uint8Array.from({ length: 100_000 }, (_, index) => (index === 1 ? 0xd8 : 0xff))],
  ];

  test("is refused when there is nothing", async () => {
    const refused = await refusal(jobs.uploadImage({}, owner.credential));
    expect(refused).toMatchObject({ code: "InvalidArgument", fields: ["data"] });
    expect((await post("/images", new Uint8Array(), { "content-type": "image/png" })).status).toBe(400);
    expect((await fetch(`${url}/images`, { method: "POST", headers: { authorization } })).status).toBe(400);
  });

  test.each(notPictures)("is refused by RPC: %s", async (_what, data) => {
    const refused = await refusal(jobs.uploadImage({ data }, owner.credential));
    expect(refused).toMatchObject({ code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["data"] });
  });

  test.each(notPictures)("is refused as a body, whatever its type says: %s", async (_what, data) => {
    const refused = await refusalOf(await post("/images", data, { "content-type": "image/png" }));
    expect(refused).toMatchObject({ status: 400, reason: "INVALID_FIELD", fields: ["data"] });
  });

  test.each(notPictures)("is refused over HTTP/2: %s", async (_what, data) => {
    const headers = { ":method": "POST", ":path": "/images", "content-type": "image/png", authorization };
    const { status, body } = await requestHttp2(url, headers, data);
    expect(status).toBe(400);
    expect(JSON.parse(body.toString())).toMatchObject({ reason: "INVALID_FIELD", errors: [{ field: "data" }] });
  });

  test.each(notPictures)("is refused in a form, whatever its name says: %s", async (_what, data) => {
    const form = new FormData();
    form.set("file", new Blob([data], { type: "image/png" }), "picture.png");
    expect(await refusalOf(await post("/images", form))).toMatchObject({ status: 400, fields: ["data"] });
  });
});

describe("what is too large", async () => {
  const picture = await paddedPng(20 * MiB + 1);
  const tooLarge = { status: 400, reason: "INVALID_FIELD", fields: ["data"] };

  test("is refused by RPC: a picture over 20 MiB", async () => {
    const refused = await refusal(jobs.uploadImage({ data: picture }, owner.credential));
    expect(refused).toMatchObject({ code: "InvalidArgument", fields: ["data"] });
  });

  test("is refused as a body that says how long it is", async () => {
    expect(await refusalOf(await post("/images", picture, { "content-type": "image/png" }))).toMatchObject(tooLarge);
  });

  test("is refused as a body that does not say how long it is", async () => {
    const body = new Blob([picture]).stream();
    expect(await refusalOf(await post("/images", body, { "content-type": "image/png" }))).toMatchObject(tooLarge);
  });

  test("is refused in a form", async () => {
    const form = new FormData();
    form.set("file", new Blob([picture]), "picture.png");
    expect(await refusalOf(await post("/images", form))).toMatchObject(tooLarge);
  });

  test("is refused over HTTP/2", async () => {
    const headers = { ":method": "POST", ":path": "/images", "content-type": "image/png", authorization };
    const { status, body } = await requestHttp2(url, headers, picture);
    expect(status).toBe(400);
    expect(JSON.parse(body.toString())).toMatchObject({ errors: [{ field: "data" }] });
  });

  test.each(protocols)("is refused over $name: a message over its limit", async ({ open }) => {
    const transport = open(url);
    const password = "x".repeat(70 * 1024);
    const login = createClient(AuthService, transport).login({ identity: "someone", password });
    expect(await refusal(login)).toMatchObject({ code: "ResourceExhausted" });
    const prompt = "x".repeat(70 * 1024);
    const submitted = createClient(ImageJobService, transport).submitImageJob({ imageId, prompt }, owner.credential);
    expect(await refusal(submitted)).toMatchObject({ code: "ResourceExhausted" });
  });

  test.each(protocols)("is refused over $name: an upload over 28 MiB", async ({ open }) => {
    const data = new Uint8Array(28 * MiB + 1);
    const uploaded = createClient(ImageJobService, open(url)).uploadImage({ data }, owner.credential);
    expect(await refusal(uploaded)).toMatchObject({ code: "InvalidArgument", fields: ["data"] });
  });

  test.each([
    ["gRPC", createGrpcTransport],
    ["Connect", createConnectTransport],
  ])("is refused over %s: an upload that decompression makes larger than 28 MiB", async (_name, open) => {
    const compressed = { sendCompression: compressionBrotli, compressMinBytes: 0 };
    const transport = open({ baseUrl: url, httpVersion: "2", useBinaryFormat: true, ...compressed });
    const data = new Uint8Array(28 * MiB + 1);
    const uploaded = createClient(ImageJobService, transport).uploadImage({ data }, owner.credential);
    expect(await refusal(uploaded)).toMatchObject({ code: "InvalidArgument", fields: ["data"] });
  });

  test("is refused when only decompression makes it so", async () => {
    const body = Uint8Array.from(gzipSync(Buffer.alloc(100 * MiB, " ")));
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    expect(await refusalOf(await post(loginPath, body, headers))).toMatchObject({ code: "resource_exhausted" });
  });

  test("is not 20 MiB in JSON", async () => {
    const data = Buffer.from(await paddedPng(20 * MiB)).toString("base64");
    const response = await postJson("/darkroom.imagejob.v1.ImageJobService/UploadImage", JSON.stringify({ data }));
    expect(await response.json()).toMatchObject({ image: { sizeBytes: String(20 * MiB) } });
  });
});

describe("a message that cannot be read", () => {
  test.each(["", "{", "[]", "null", '"text"', "17", "{'identity':1}", `${"[".repeat(30_000)}`, "{}{}", '{"identity":'])(
    "is refused in JSON: %j",
    async (body) => {
      expect(await refusalOf(await postJson(loginPath, body))).toMatchObject({ status: 400, code: "invalid_argument" });
    },
  );

  test.each([[Uint8Array.of(0xff)], [Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f)], [Uint8Array.of(0x0a, 5, 1)]])(
    "is refused in Connect's binary format: %o",
    async (body) => {
      const response = await post(loginPath, body, { "content-type": "application/proto" });
      const { code, message } = await refusalOf(response);
      // Connect's own word for bytes that are no message is another.
      expect(code).toBe(isFast ? "invalid_argument" : "internal");
      expect(message).toMatch(/^parse binary/);
    },
  );

  async function refusalOfQuery(message: string, compression?: string) {
    const query = new URLSearchParams({ connect: "v1", encoding: "proto", base64: "1", message });
    if (compression !== undefined) query.set("compression", compression);
    const path = `/darkroom.imagejob.v1.ImageJobService/ListModels?${query}`;
    return refusalOf(await fetch(url + path, { headers: { authorization } }));
  }

  test.each(["_w", "Cv____8P", "CgUB"])("is refused in a query: %s in protobuf's binary format", async (message) => {
    const refused = await refusalOfQuery(message);
    expect(refused).toMatchObject({ status: 400, code: "invalid_argument" });
    expect(refused.message).toMatch(/^parse binary/);
  });

  test.each([
    ["gzip", gzipSync(Uint8Array.of(0xff)), 400, "invalid_argument", /^parse binary/],
    ["br", brotliCompressSync(Uint8Array.of(0xff)), 400, "invalid_argument", /^parse binary/],
    ["identity", Buffer.of(0xff), 400, "invalid_argument", /^parse binary/],
    ["gzip", Buffer.of(0xff), 400, "invalid_argument", /^decompression failed/],
    ["gzip", gzipSync(Buffer.alloc(70 * 1024)), 429, "resource_exhausted", /larger than .* after decompression/],
    ["zip", Buffer.of(0xff), 501, "unimplemented", /^unknown compression/],
  ])("is refused in a query: as %s, %o", async (compression, bytes, status, code, told) => {
    const refused = await refusalOfQuery(bytes.toString("base64url"), compression);
    expect(refused).toMatchObject({ status, code });
    expect(refused.message).toMatch(told);
  });

  test.each(["application/connect+proto", "application/grpc-web+proto", "application/grpc+proto"])(
    "is refused in a stream of them, after what was answered before: %s",
    async (type) => {
      const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
      const question = create(ServerReflectionRequestSchema, { messageRequest: { case: "listServices", value: "" } });
      const readable = encodeEnvelope(0, toBinary(ServerReflectionRequestSchema, question));
      const messages = Buffer.concat([readable, encodeEnvelope(0, Uint8Array.of(0xff))]);
      const headers = { ":method": "POST", ":path": path, "content-type": type, te: "trailers" };
      const answer = await requestHttp2(url, headers, messages);
      const told = `${answer.body.toString("latin1")} grpc-status: ${answer.trailers["grpc-status"]}`;
      expect(told).toContain("darkroom.auth.v1.AuthService");
      expect(told).toMatch(/"code":"invalid_argument","message":"parse binary|grpc-status: 3/);
    },
  );

  const half = (bytes: Buffer) => bytes.subarray(0, bytes.length / 2);
  const message = Buffer.from('{"identity":"ada","password":"a-long-enough-one"}');

  test.each([
    ["gzip", "a lie", Buffer.from("{}")],
    ["gzip", "half of it", half(gzipSync(message))],
    ["br", "a lie", Buffer.from("{}")],
    ["br", "half of it", half(brotliCompressSync(message))],
    ["br", "a byte", Buffer.from("@")],
  ])("is refused when its compression, %s, is %s", async (encoding, _what, body) => {
    const headers = { "content-type": "application/json", "content-encoding": encoding };
    const refused = await refusalOf(await post(loginPath, new Uint8Array(body), headers));
    expect(refused).toMatchObject({ status: 400, code: "invalid_argument" });
    const byGrpc = { ":method": "POST", ":path": loginPath, "content-type": "application/grpc+json", te: "trailers" };
    const answer = await requestHttp2(url, { ...byGrpc, "grpc-encoding": encoding }, encodeEnvelope(1, body));
    expect({ ...answer.headers, ...answer.trailers }["grpc-status"]).toBe(String(Code.InvalidArgument));
  });

  test("is refused when nobody knows its compression", async () => {
    const headers = { "content-type": "application/json", "content-encoding": "zip" };
    expect(await refusalOf(await post(loginPath, "{}", headers))).toMatchObject({ code: "unimplemented" });
  });

  test.each([
    [loginPath, "text/plain"],
    [loginPath, "application/xml"],
    [loginPath, "multipart/form-data; boundary=x"],
    ["/darkroom.imagejob.v1.ImageJobService/WatchImageJob", "application/json"],
    ["/images", "application/xml"],
    ["/images", "image/gif"],
    ["/images", "x"],
  ])("is refused by %s as %s", async (path, type) => {
    expect((await post(path, "{}", { "content-type": type })).status).toBe(415);
  });
});

describe("a call in a form that is not taken", () => {
  const checkPath = "/darkroom.auth.v1.AuthService/CheckAuth";
  const watchPath = "/darkroom.imagejob.v1.ImageJobService/WatchImageJob";
  const grpc = "application/grpc, application/grpc-web";

  test.each([
    [loginPath, `content-type must be of application/json, application/proto, ${grpc}\n`],
    [watchPath, `content-type must be of application/connect+json, application/connect+proto, ${grpc}\n`],
  ])("is told which content types are: %s", async (path, text) => {
    const response = await post(path, "x", { "content-type": "text/xml" });
    expect(response.headers.get("content-type")).toBe("text/plain");
    expect([response.status, await response.text()]).toEqual([415, text]);
    const headers = { ":method": "POST", ":path": path, "content-type": "text/xml" };
    const { status, body } = await requestHttp2(url, headers, Buffer.from("x"));
    expect([status, body.toString()]).toEqual([415, text]);
  });

  test("is told which encodings are", async () => {
    const response = await fetch(`${url}${checkPath}?encoding=xml`, { headers: { authorization } });
    expect([response.status, await response.text()]).toEqual([415, "encoding must be json or proto\n"]);
  });

  test.each([
    ["GET", loginPath, "POST"],
    ["PUT", watchPath, "POST"],
    ["DELETE", checkPath, "POST, GET"],
  ])("is told which methods are: %s %s", async (method, path, methods) => {
    const response = await fetch(url + path, { method });
    expect(response.headers.get("allow")).toBe(methods);
    expect([response.status, await response.text()]).toEqual([405, `this is for ${methods}\n`]);
  });
});

describe("what is not there", () => {
  test.each(protocols)("is unimplemented over $name", async ({ open }) => {
    const { login } = AuthService.method;
    const nowhere = { ...AuthService, typeName: "darkroom.nothing.v1.NothingService" };
    for (const method of [
      { ...login, name: "Nothing" },
      { ...login, parent: nowhere },
    ]) {
      const call = open(url).unary(method, undefined, undefined, undefined, {});
      expect(await refusal(call)).toMatchObject({ code: "Unimplemented" });
    }
  });

  test.each(["/darkroom.auth.v1.AuthService/Nothing", "/Nope/Nope", "/images", `/Nope/${"N".repeat(300)}`])(
    "is unimplemented by gRPC's own client: %s",
    async (path) => {
      const { code, details } = await refusalByGrpcJs(url, path, Buffer.alloc(70_000));
      expect(code).toBe(Code.Unimplemented);
      // Connect encodes more signs of a message than this client decodes.
      expect(decodeURIComponent(details)).toBe(`there is no procedure ${path.slice(1, 200)}`);
    },
  );

  test("is told to gRPC by headers that end the stream", async () => {
    const headers = { ":method": "POST", ":path": "/Nope/Nope", "content-type": "application/grpc", te: "trailers" };
    const answer = await requestHttp2(url, headers, Buffer.alloc(5));
    expect(answer).toMatchObject({ status: 200, endsWithHeaders: true });
    expect(answer.headers["x-request-id"]).toMatch(/^\w{32}$/);
  });

  test("is told to gRPC-Web over HTTP/1.1 too", async () => {
    const response = await post("/Nope/Nope", Buffer.alloc(5), { "content-type": "application/grpc-web+proto" });
    expect(response.headers.get("content-type")).toBe("application/grpc-web+proto");
    expect(response.headers.get("grpc-status")).toBe(String(Code.Unimplemented));
    expect(await response.text()).toBe("");
  });

  test.each([
    "/",
    "/nothing",
    "/download",
    "/download/",
    "/download/x/y",
    "/images/x",
    "/%2e%2e/etc/passwd",
    "/favicon.ico",
  ])("is a 404 with its request's id: %s", async (path) => {
    const response = await fetch(url + path, { headers: { authorization } });
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    const requestId = response.headers.get("x-request-id");
    expect(requestId).toBeTruthy();
    expect(await response.json()).toMatchObject({ type: "about:blank", status: 404, request_id: requestId });
  });

  test.each([
    ["broken JSON", "application/json", "{"],
    ["a type that is none", "no type", "x"],
    ["a form that is none", "multipart/form-data", "x"],
    ["more than a body may have", "application/json", JSON.stringify("x".repeat(70_000))],
  ])("is a 404, or a 405, whatever is sent there: %s", async (_, type, body) => {
    for (const [path, status] of [
      ["/nothing", 404],
      ["/health", 405],
      ["/api/nothing", 404],
      ["/auth/v1/nothing", 404],
    ] as const)
      expect([path, (await post(path, body, { "content-type": type })).status]).toEqual([path, status]);
  });

  test.each([
    ["GET", loginPath, 405],
    ["PUT", loginPath, 405],
    ["DELETE", submitPath, 405],
    ["GET", "/images", 405],
    ["DELETE", "/download/x", 405],
  ])("is %s of %s", async (method, path, status) => {
    expect((await fetch(url + path, { method, headers: { authorization } })).status).toBe(status);
  });

  test.each([
    ["FOO", "/"],
    ["get", "/health"],
    ["__proto__", "/images"],
    ["FOO", "/api/health"],
    ["FOO", "/auth/v1/user"],
  ])("is a method that nobody knows, over HTTP/2: %s %s", async (method, path) => {
    const { status, headers, body } = await requestHttp2(url, { ":method": method, ":path": path, authorization });
    expect([status, headers["content-type"]]).toEqual([501, "application/problem+json"]);
    expect(JSON.parse(body.toString())).toEqual({
      type: "about:blank",
      title: "Not Implemented",
      status: 501,
      detail: "there is no such method",
      request_id: headers["x-request-id"],
    });
  });

  test.each([
    "/download/..%2f..%2fdarkroom.db",
    "/download/%2e%2e%2fdarkroom.db",
    "/download/..%5c..%5cdarkroom.db",
    "/download/%00",
  ])("is a file outside the pictures: %s", async (path) => {
    const answer = await exchange(
      url,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).not.toContain("SQLite format");
  });
});

describe("a form that is no form", () => {
  const end = "--x--\r\n";
  const file = (name: string, body: string) =>
    `--x\r\nContent-Disposition: form-data; name="${name}"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n${body}\r\n`;
  const type = "multipart/form-data; boundary=x";

  test.each([
    ["no boundary", "multipart/form-data", end],
    ["an empty boundary", "multipart/form-data; boundary=", end],
    ["another boundary than it says", type, "--y\r\n\r\n--y--\r\n"],
    ["nothing in it", type, ""],
    ["an end alone", type, end],
    ["a field and no file", type, `--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n${end}`],
    ["no end", type, file("file", "text")],
    ["half a part's head", type, "--x\r\nContent-Disposition: form-"],
    ["text in its file", type, file("file", "text") + end],
    ["two files of text", type, file("file", "text") + file("file", "text") + end],
    ["a field of the prototype", type, `--x\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\nb\r\n${end}`],
    ["a thousand fields", type, `--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n`.repeat(1000) + end],
  ])("is refused with %s", async (_what, contentType, body) => {
    const response = await post("/images", body, { "content-type": contentType });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    expect(await response.json()).toMatchObject({ request_id: response.headers.get("x-request-id") });
  });

  test("is refused with two files, or only the first is taken", async () => {
    const form = new FormData();
    form.append("file", new Blob([await smallPicture("png")]), "one.png");
    form.append("file", new Blob([await smallPicture("jpeg")]), "two.jpg");
    const response = await post("/images", form);
    expect([201, 400, 413]).toContain(response.status);
  });
});

describe("bytes on the wire", () => {
  const closing = "Host: x\r\nConnection: close\r\n";

  test.each([
    ["garbage", Buffer.from([0, 1, 2, 0xff, 0xfe, 13, 10, 13, 10])],
    ["a TLS hello", Buffer.from("160301020001000001fc0303", "hex")],
    ["words", "hello there\r\n\r\n"],
    ["HTTP/1.1 without a Host", "GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n"],
    ["a negative length", `POST /images HTTP/1.1\r\n${closing}Content-Length: -1\r\n\r\n`],
    ["a length that is no number", `POST /images HTTP/1.1\r\n${closing}Content-Length: many\r\n\r\n`],
    ["two lengths", `POST /images HTTP/1.1\r\n${closing}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`],
    [
      "a length and chunks",
      `POST /images HTTP/1.1\r\n${closing}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      "a chunk without a size",
      `POST ${loginPath} HTTP/1.1\r\n${closing}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    ],
    ["a malformed Host", "GET /nothing HTTP/1.1\r\nHost: a b:c/%%\r\nConnection: close\r\n\r\n"],
    [
      "a malformed Host on a call",
      `POST ${loginPath} HTTP/1.1\r\nHost: [::bad\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
    ],
    ["a path that is no path", `GET /download/%E0%A4%A HTTP/1.1\r\n${closing}\r\n`],
  ])("are refused: %s", async (_what, bytes) => {
    expect(await exchange(url, bytes)).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  test("may be HTTP/1.0 without a Host", async () => {
    expect(await exchange(url, "GET /nothing HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 404 /);
    const call = `POST /grpc.health.v1.Health/Check HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
    expect(await exchange(url, call)).toMatch(/^HTTP\/1\.1 (200|400) /);
  });

  test("are closed when they break HTTP/2's rules", async () => {
    const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    await exchange(url, `${preface}this is no frame, but long enough to be read as one`);
    await exchange(url, Buffer.concat([Buffer.from(preface), Buffer.alloc(64, 0xff)]));
  });

  test("have headers of a size", async () => {
    const huge = await exchange(url, `GET / HTTP/1.1\r\n${closing}X-Huge: ${"x".repeat(20_000)}\r\n\r\n`);
    expect(huge).toMatch(/^HTTP\/1\.1 431 /);
    expect(huge).toMatch(/\r\nx-request-id: [0-9a-f]{32}\r\n/);
    const long = await exchange(url, `GET /${"x".repeat(20_000)} HTTP/1.1\r\n${closing}\r\n`);
    expect(long).toMatch(/^HTTP\/1\.1 (414|431) /);
  });

  test.each([
    ["the first", () => {}],
    ["a later", (session: ClientHttp2Session) => once(session, "remoteSettings").then(() => pinged(session))],
  ])("have headers of a size over HTTP/2, in %s request of a connection", async (_what, ready) => {
    for (const [size, outcome] of [
      [headerMax, 404],
      [headerMax + 1, "NGHTTP2_ENHANCE_YOUR_CALM"],
      [20_000, "NGHTTP2_ENHANCE_YOUR_CALM"],
      [60_000, "NGHTTP2_ENHANCE_YOUR_CALM"],
    ] as const) {
      const session = connectHttp2(url, { maxSendHeaderBlockLength: 200_000 });
      await ready(session);
      expect(await outcomeOf(session, size)).toEqual(
        typeof outcome === "number" ? outcome : expect.stringContaining(outcome),
      );
      // The connection lives on.
      expect(await outcomeOf(session, 1000)).toBe(404);
      session.destroy();
    }
  });

  test("have headers of a size over HTTP/2, or no connection any more", async () => {
    const session = connectHttp2(url, { maxSendHeaderBlockLength: 200_000 }).on("error", () => {});
    expect(await outcomeOf(session, 100_000)).toMatch(/closed/);
  });
});

const headerMax = 16 * 1024;
const pinged = (session: ClientHttp2Session) => new Promise((resolve) => session.ping(resolve));

/** The status of the answer to headers of so many bytes, 32 more for each, or how the stream was reset. */
function outcomeOf(session: ClientHttp2Session, size: number): Promise<number | string> {
  const headers = {
    ":method": "GET",
    ":scheme": "http",
    ":authority": new URL(url).host,
    ":path": "/nothing",
    "x-huge": "",
  };
  const least = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
  const stream = session.request({ ...headers, "x-huge": "x".repeat(size - least) });
  return new Promise((resolve) => {
    stream.on("response", (answer) => resolve(Number(answer[":status"])));
    stream.on("error", ({ message }) => resolve(message)).resume();
  });
}

describe("a picture's body that is little picture", () => {
  const path = "/darkroom.imagejob.v1.ImageJobService/UploadImage";

  test("is refused when it is full of fields that nobody knows, and keeps no memory", async () => {
    const unknown = Buffer.alloc(28 * MiB, 0x78);
    const all = Array.from({ length: 3 }, () => post(path, unknown, { "content-type": "application/proto" }));
    for (const response of await Promise.all(all))
      expect(await refusalOf(response)).toMatchObject({ code: "invalid_argument", fields: ["data"] });
    expect(server.isAlive()).toBe(true);
  });

  /** A brace, a comma, a bracket, and the commas of the list. */
  const jsonWith = async (signs: number, size: number) => {
    const data = Buffer.from(await smallPicture()).toString("base64");
    return JSON.stringify({ data, more: Array(signs - 2).fill(0) }).padEnd(size);
  };

  test.each([
    ["that comes with its headers", "application/json", 0],
    ["that comes in pieces", "application/json", 200_000],
    ["of a type in another spelling", "Application/JSON; charset=utf-8", 200_000],
  ])("is taken with a thousand signs of JSON and no more: one %s", async (_, type, size) => {
    const answers = [1000, 1001].map(async (signs) =>
      post(path, await jsonWith(signs, size), { "content-type": type }),
    );
    const [taken, refused] = (await Promise.all(answers)) as [Response, Response];
    expect(taken.status).toBe(200);
    expect(await refusalOf(refused)).toMatchObject({ code: "invalid_argument", fields: ["data"] });
  });

  test("is refused as JSON that is compressed", async () => {
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    const refused = await refusalOf(await post(path, gzipSync(await jsonWith(3, 0)), headers));
    expect(refused).toMatchObject({ code: "invalid_argument", fields: ["data"] });
    expect(refused.message).toContain("leave out content-encoding");
    const message = encodeEnvelope(1, gzipSync(await jsonWith(3, 0)));
    const byGrpc = { "content-type": "application/grpc+json", te: "trailers", authorization, "grpc-encoding": "gzip" };
    for (const more of [{}, { "content-encoding": "identity" }]) {
      const answer = await requestHttp2(url, { ":method": "POST", ":path": path, ...byGrpc, ...more }, message);
      expect({ ...answer.headers, ...answer.trailers }["grpc-status"]).toBe(String(Code.InvalidArgument));
    }
  });
});

describe("a body that does not come", async () => {
  const impatient = await shareServer({ DARKROOM_BODY_TIMEOUT_SECONDS: "1" }, { worker: false });
  const user = await signIn(impatient);
  const bearer = `Bearer ${user.token}`;
  const soon = 10_000;
  const png = Buffer.from((await smallPicture()).slice(0, 60));
  const message = Buffer.concat([Buffer.from([0, 0, 0, 1, 0]), Buffer.from('{"jobId":"')]);

  const bodies: [string, string, string, Buffer][] = [
    ["a picture", "/images", "image/png", png],
    [
      "a form",
      "/images",
      "multipart/form-data; boundary=x",
      Buffer.from('--x\r\nContent-Disposition: form-data; name="a"'),
    ],
    ["a call by Connect", loginPath, "application/json", Buffer.from('{"identity":"')],
    ["a call by gRPC-Web", loginPath, "application/grpc-web+proto", message],
    ["a stream", "/darkroom.imagejob.v1.ImageJobService/WatchImageJob", "application/connect+json", message],
  ];

  test.concurrent.each(bodies)("is cut over HTTP/1.1: %s", { timeout: soon }, async (_what, path, type, half) => {
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer}\r\nContent-Type: ${type}\r\n`;
    const lengths = [
      "Content-Length: 1000\r\n\r\n",
      `Transfer-Encoding: chunked\r\n\r\n${(half.length + 9).toString(16)}\r\n`,
    ];
    const all = lengths.map((length) => exchange(impatient.url, Buffer.concat([Buffer.from(head + length), half])));
    for (const answer of await Promise.all(all)) expect(answer).not.toMatch(/^HTTP\/1\.1 [25]/);
  });

  test.concurrent.each([...bodies, ["a call by gRPC", loginPath, "application/grpc", message] as (typeof bodies)[0]])(
    "is cut over HTTP/2: %s",
    { timeout: soon },
    async (_what, path, type, half) => {
      const session = connectHttp2(impatient.url);
      session.on("error", () => {});
      const headers = { ":method": "POST", ":path": path, "content-type": type, te: "trailers", authorization: bearer };
      const stream = session.request(headers);
      let status = 0;
      stream.on("response", (received) => {
        status = Number(received[":status"]);
      });
      stream.on("error", () => {}).resume();
      stream.write(half);
      await once(stream, "close");
      session.destroy();
      expect(status).toBeLessThan(500);
    },
  );

  test.concurrent("is cut over HTTP/1.1 that was refused before it was read", { timeout: soon }, async () => {
    const half = "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf";
    expect(await exchange(impatient.url, half)).toMatch(/^HTTP\/1\.1 404 /);
  });

  test("does not keep others waiting", async () => {
    const { principal } = await impatient.auth.checkAuth({}, user.credential);
    expect(principal?.account).toEqual(user.account);
  });
});

describe("after all of it", () => {
  test("whoever says nothing was shown out", async () => {
    const answers = await Promise.all(slow);
    for (const answer of answers) expect(answer).toMatch(/^$|^HTTP\/1\.1 408 /);
  });

  test("a caller who goes away in the middle harms nobody", async () => {
    const { hostname, port } = new URL(url);
    for (let count = 0; count < 50; count += 1) {
      const socket = connectTcp(Number(port), hostname);
      await once(socket, "connect");
      socket.write(
        `POST /images HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: image/png\r\nContent-Length: 99999\r\n\r\n`,
      );
      socket.write(pngBomb(10, 10), () => socket.resetAndDestroy());
      await once(socket, "close");
    }
    expect((await jobs.listModels({}, owner.credential)).models.length).toBeGreaterThan(0);
  });

  test("a caller who goes away while half a call waits behind a stream harms nobody", async () => {
    const { hostname, port } = new URL(url);
    const head = (path: string, type: string, length: number) =>
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`;
    const message = encodeEnvelope(0, Buffer.from("{}"));
    const socket = connectTcp(Number(port), hostname);
    socket.write(head("/grpc.health.v1.Health/Watch", "application/connect+json", message.length));
    socket.write(message);
    await once(socket, "data");
    // Of a type that is left to Connect.
    socket.write(`${head(loginPath, "text/plain", 100)}half`);
    // Each comes after what was sent before it.
    await fetch(`${url}/health/live`);
    socket.destroy();
    await once(socket, "close");
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  test("a caller who goes away before they are told to continue harms nobody", async () => {
    const { hostname, port } = new URL(url);
    const settings = Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
    // POST http / by HPACK's static table, an authority, and one header more.
    const block = Buffer.concat([Buffer.of(0x83, 0x86, 0x84, 1, 1, 0x78, 0, 6), Buffer.from("expect\x0c100-continue")]);
    const endOfStreamAndHeaders = 5;
    for (let count = 0; count < 10; count += 1) {
      const head = Buffer.of(0, 0, block.length, 1, endOfStreamAndHeaders, 0, 0, 0, 1);
      const reset = Buffer.of(0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, constants.NGHTTP2_NO_ERROR);
      const socket = connectTcp(Number(port), hostname).resume();
      socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings, head, block, reset]));
      await once(socket, "data");
      socket.destroy();
    }
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  test("the same server still serves", async () => {
    expect(server.isAlive()).toBe(true);
    const { image: stored } = await jobs.uploadImage({ data: await smallPicture() }, owner.credential);
    expect((await submit({ imageId: stored?.id ?? "" })).job?.imageId).toBe(stored?.id);
    const response = await fetch(`${url}/download/${stored?.id}`, { headers: { authorization } });
    expect(Buffer.from(await response.arrayBuffer()).equals(await smallPicture())).toBe(true);
  });

  if (Number.isNaN(memoryBefore)) return;
  test("its memory has not grown much", async () => {
    const grown = () => (server.memory() - memoryBefore) / MiB;
    // Once it has nothing else to do, it collects its garbage.
    await expect.poll(grown, { timeout: 20_000 }).toBeLessThan(200);
  });
});
