import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { openQueues } from "../../src/app/backends.ts";
import { bearer } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { createLog } from "../../src/log/log.ts";
import { imageMaxBytes } from "../../src/model/image.ts";
import { serviceKey as key, startImageService } from "../support/image-service.ts";
import { startOldWorker } from "../support/old-worker.ts";
import { noisyPicture, paddedPng, smallPicture } from "../support/pictures.ts";
import { drain, refusal, refusalOf } from "../support/refusals.ts";
import { serve, signIn, signInAdmin } from "../support/server.ts";

const patience = { timeout: 30_000, interval: 50 };
const away = { code: "Unavailable", reason: "IMAGE_SERVICE_UNAVAILABLE" };

/** A server whose pictures lie at an image service, and an account. */
async function opened({ worker = false } = {}) {
  const service = await startImageService();
  const env = {
    IMAGE_SERVICE_URL: `${service.url}/`,
    IMAGE_SERVICE_API_KEY: key,
    DARKROOM_MODELS: `{"sd": "gpu-jobs"}`,
  };
  const server = await serve(env, { worker });
  const { jobs, url } = server;
  const { credential, token, account } = await signIn(server);
  return {
    server,
    service,
    credential,
    account,
    url,
    jobs,
    async submit(imageId: string, modelType = "") {
      return (await jobs.submitImageJob({ imageId, prompt: "sepia", modelType }, credential)).job?.id ?? "";
    },
    async ended(jobId: string) {
      return (await jobs.pollImageJob({ jobId, wait: { seconds: 30n } }, credential)).job;
    },
    download: (id: string) => fetch(`${url}/download/${id}`, { headers: { authorization: `Bearer ${token}` } }),
    post: (body: Uint8Array<ArrayBuffer>) =>
      fetch(`${url}/images`, {
        method: "POST",
        body,
        headers: { authorization: `Bearer ${token}`, "content-type": "image/png" },
      }),
  };
}

async function openWorkerQueues(dataDir: string) {
  const queues = await openQueues({ dataDir: dataDir, serviceBus: undefined }, Date.now, createLog("silent"));
  onTestFinished(() => queues.close());
  return queues;
}

test("a picture is not stored for whoever was disabled while it was sent", async () => {
  const { server, service, url } = await opened();
  const { token, account } = await signIn(server);
  const admin = await signInAdmin(server);
  const userId = account?.id ?? "";
  const picture = await smallPicture();
  async function* sent() {
    yield picture.subarray(0, 100);
    await server.auth.setUserDisabled({ userId, disabled: true }, admin.credential);
    yield picture.subarray(100);
  }
  const headers = { authorization: `Bearer ${token}`, "content-type": "image/png" };
  const body = ReadableStream.from(sent());
  const response = await fetch(`${url}/images`, { method: "POST", headers, body, duplex: "half" });
  expect(response.status).toBe(401);
  expect(service.pictures.size).toBe(0);
});

test("a picture is not told to its end to whoever was disabled meanwhile", async () => {
  const { server, jobs, credential, account } = await opened();
  const admin = await signInAdmin(server);
  const { image } = await jobs.uploadImage({ data: await paddedPng(20 * 1024 * 1024) }, credential);
  const stream = jobs.getImage({ imageId: image?.id ?? "" }, credential)[Symbol.asyncIterator]();
  await stream.next();
  const startedAt = performance.now();
  const userId = account?.id ?? "";
  await server.auth.setUserDisabled({ userId, disabled: true }, admin.credential);
  // Longer than a running answer goes on without asking.
  await vi.waitUntil(() => performance.now() - startedAt > 1100, { timeout: 10_000 });
  const toItsEnd = async () => {
    while (!(await stream.next()).done);
  };
  expect(await refusal(toItsEnd())).toMatchObject({ reason: "SESSION_ENDED" });
});

describe("files that are uploaded where pictures lie at an image service", () => {
  const post = (
    url: string,
    name: string,
    bytes: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string>,
  ) => {
    const body = new FormData();
    body.set("uploadFile", new Blob([bytes]), name);
    return fetch(`${url}/upload`, { method: "POST", body, headers });
  };

  test("are stored here, but for pictures, which are stored there", async () => {
    const { server, service, url, credential, download } = await opened();
    const headers = credential.headers as Record<string, string>;
    const bytes = await smallPicture();
    const [notes, picture] = [
      await post(url, "notes.txt", "notes", headers),
      await post(url, "picture.png", bytes, headers),
    ];
    expect([notes.status, picture.status]).toEqual([200, 200]);
    expect(picture.headers.get("location")).toBe("/download/img-1");
    expect(service.pictures.get("img-1")?.bytes).toEqual(Buffer.from(bytes));
    expect(Buffer.from(await (await download("img-1")).arrayBuffer())).toEqual(Buffer.from(bytes));
    const response = await fetch(url + notes.headers.get("location"), { headers });
    expect([response.headers.get("content-type"), await response.text()]).toEqual([
      "application/octet-stream",
      "notes",
    ]);
    const kept = readdirSync(join(server.dataDir, "pictures"), { recursive: true });
    expect(kept.filter((entry) => String(entry).length > 36)).toHaveLength(1);
    expect((await post(url, "picture.png", bytes, headers)).status).toBe(403);
    expect(service.pictures.size).toBe(1);
  });

  test("are refused whole while it is away, if they are pictures", async () => {
    const { server, service, url, credential } = await opened();
    const headers = credential.headers as Record<string, string>;
    service.away = true;
    const refused = await post(url, "picture.png", await smallPicture(), headers);
    expect([refused.status, await refused.json()]).toEqual([
      503,
      { detail: "the image service cannot be used: try again in a moment" },
    ]);
    expect(refused.headers.get("retry-after")).toBe("1");
    const kept = readdirSync(join(server.dataDir, "pictures"), { recursive: true });
    expect(kept.filter((entry) => String(entry).length > 36)).toEqual([]);
    service.away = false;
    expect((await post(url, "picture.png", await smallPicture(), headers)).status).toBe(200);
  });
});

describe("pictures at an image service", () => {
  test("are stored there, as what they are, and come back", async () => {
    const { service, jobs, credential, post, download } = await opened();
    const [small, noisy] = [await smallPicture("webp"), await noisyPicture(600)];
    const { image } = await jobs.uploadImage({ data: small }, credential);
    const about = { id: "img-1", contentType: "image/webp", width: 24, height: 16, sizeBytes: BigInt(small.length) };
    expect(image).toMatchObject(about);
    expect([image?.createTime === undefined, image?.expireTime]).toEqual([false, undefined]);
    const stored = await post(noisy);
    expect([stored.status, await stored.json()]).toEqual([201, { uuid: "img-2" }]);
    expect([...service.pictures.values()].map(({ type, bytes }) => [type, bytes])).toEqual([
      ["image/webp", Buffer.from(small)],
      ["image/png", Buffer.from(noisy)],
    ]);
    const fetched = await download("img-2");
    expect(Object.fromEntries(fetched.headers)).toMatchObject({
      "content-type": "image/png",
      "content-length": String(noisy.length),
      "content-disposition": `inline; filename="img-2.png"`,
      "x-content-type-options": "nosniff",
    });
    expect(Buffer.from(await fetched.arrayBuffer()).equals(noisy)).toBe(true);
    const messages = await drain(jobs.getImage({ imageId: "img-1" }, credential));
    expect(messages[0]?.image).toMatchObject(about);
    expect(messages[0]?.image?.createTime).toBeUndefined();
    expect(Buffer.concat(messages.map(({ data }) => data)).equals(small)).toBe(true);
    expect(service.violations).toEqual([]);
  });

  test("are anybody's who knows the id", async () => {
    const { service, server, jobs } = await opened();
    const id = service.put(await smallPicture(), "image/png");
    const stranger = await signIn(server);
    expect(await drain(jobs.getImage({ imageId: id }, stranger.credential))).toHaveLength(1);
    for (const authorization of [key, `Bearer ${key}`])
      expect((await fetch(`${server.url}/download/${id}`, { headers: { authorization } })).status).toBe(200);
    expect((await fetch(`${server.url}/download/${id}`)).status).toBe(401);
  });

  test("are their job's alone to a job's token", async () => {
    const { service, server, jobs, submit } = await opened();
    const [input, other] = [
      service.put(await smallPicture(), "image/png"),
      service.put(await smallPicture(), "image/png"),
    ];
    const queues = await openWorkerQueues(server.dataDir);
    const token = Promise.withResolvers<string>();
    const consumer = queues.jobQueue.consume(
      async ({ body }) => {
        token.resolve(JSON.parse(Buffer.from(body).toString()).token);
        return { kind: "complete" };
      },
      { concurrency: 1 },
    );
    onTestFinished(() => consumer.stop());
    await submit(input);
    const as = bearer(await token.promise);
    expect(await drain(jobs.getImage({ imageId: input }, as))).toHaveLength(1);
    expect(await refusal(jobs.getImage({ imageId: other }, as))).toMatchObject({ reason: "IMAGE_NOT_FOUND" });
  });

  test("that are not there are not found, whatever the id", async () => {
    const { download, submit, service } = await opened();
    for (const id of ["img-9", "..%2Fimages", "a.b"]) expect((await download(id)).status).toBe(404);
    expect(await refusal(submit("../images"))).toMatchObject({ code: "NotFound", reason: "IMAGE_NOT_FOUND" });
    expect(service.violations).toEqual([]);
  });

  test("that are none reach it neither whole nor in part", async () => {
    const { service, jobs, credential, post } = await opened();
    const cut = (await noisyPicture(600)).slice(0, -20);
    const refused = { code: "InvalidArgument", fields: ["data"] };
    for (const data of [Buffer.from("no picture"), new Uint8Array(), cut])
      expect(await refusal(jobs.uploadImage({ data }, credential))).toMatchObject(refused);
    expect((await post(cut)).status).toBe(400);
    await vi.waitFor(() => expect(service.cutOff).toBe(2), patience);
    expect(service.pictures.size).toBe(0);
  });
});

describe("a job whose picture is at an image service", () => {
  test("is done by a worker of the first system, which knows that service alone", async () => {
    const { service, server, submit, ended, download } = await opened();
    const input = service.put(await smallPicture("jpeg"), "image/jpeg");
    const queues = await openWorkerQueues(server.dataDir);
    const output = await noisyPicture(40);
    const seen: Buffer[] = [];
    const worker = startOldWorker({
      jobQueue: queues.queue("gpu-jobs"),
      resultQueue: queues.resultQueue,
      imageService: service.url,
      authorization: () => key,
      develop: async (picture) => {
        seen.push(picture);
        return output;
      },
    });
    onTestFinished(() => worker.stop());
    const job = await ended(await submit(input, "sd"));
    expect(job).toMatchObject({ state: State.SUCCEEDED, outputImageIds: ["img-2"] });
    expect(seen).toEqual([Buffer.from(await smallPicture("jpeg"))]);
    expect(Buffer.from(await (await download("img-2")).arrayBuffer()).equals(output)).toBe(true);
    expect(service.violations).toEqual([]);
  });

  test("is done by our own worker", async () => {
    const { service, submit, ended, jobs, credential } = await opened({ worker: true });
    const job = await ended(await submit(service.put(await smallPicture(), "image/png")));
    expect(job).toMatchObject({ state: State.SUCCEEDED, outputImageIds: ["img-2"] });
    expect(await drain(jobs.getImage({ imageId: "img-2" }, credential))).toHaveLength(1);
    expect(service.violations).toEqual([]);
  });

  test("fails when the picture is not there, and says so", async () => {
    const { submit, ended } = await opened({ worker: true });
    const job = await ended(await submit("img-9"));
    expect(job).toMatchObject({ state: State.FAILED, attempt: 1, error: { reason: "INPUT_PICTURE_GONE" } });
  });

  test("fails when the picture is larger than any may be, whether the service says so or not", async () => {
    const { service, submit, ended, download } = await opened({ worker: true });
    const large = await paddedPng(imageMaxBytes + 1);
    const gone = { state: State.FAILED, attempt: 1, error: { reason: "INPUT_PICTURE_GONE" } };
    const id = service.put(large, "image/png");
    expect(await ended(await submit(id))).toMatchObject(gone);
    expect(await (await download(id)).json()).toMatchObject({ status: 404, detail: expect.stringContaining("20 MiB") });
    service.behave((_request, response) => {
      response.writeHead(200).write(large.subarray(0, -1));
      response.end(large.subarray(-1));
    });
    expect(await ended(await submit("img-2"))).toMatchObject(gone);
  });
});

test("a picture that the image service does not send to its end gives its worker's place to other jobs", async () => {
  const { service, submit, ended, jobs, credential } = await opened({ worker: true });
  const picture = await noisyPicture(600);
  service.behave(({ url }, response) => {
    response.writeHead(200, { "content-length": picture.length });
    if (url?.endsWith("img-2")) return void response.end(picture);
    response.write(picture.subarray(0, picture.length / 2), () => response.destroy());
  });
  const broken = await submit("img-1");
  await vi.waitFor(async () => {
    const { job } = await jobs.pollImageJob({ jobId: broken }, credential);
    expect(job).toMatchObject({ state: State.QUEUED, attempt: 1 });
  }, patience);
  service.behave(undefined);
  service.put(picture, "image/png");
  service.put(picture, "image/png");
  expect((await ended(await submit("img-2")))?.state).toBe(State.SUCCEEDED);
});

describe("an image service that takes no pictures", () => {
  const answers: Readonly<Record<string, [status: number, body: string]>> = {
    "has no route for them": [404, ""],
    "names them by what is no id": [201, `{"uuid":"out.v1.png"}`],
  };

  test.each(Object.entries(answers))("since it %s fails a job, and is asked once", async (_what, [status, body]) => {
    const { service, submit, ended, jobs, credential, post } = await opened({ worker: true });
    const picture = await smallPicture();
    const calls: string[] = [];
    service.behave((request, response) => {
      calls.push(request.method ?? "");
      if (request.method === "GET") return void response.writeHead(200).end(picture);
      request.resume().once("end", () => response.writeHead(status).end(body));
    });
    const job = await ended(await submit("img-1"));
    expect(job).toMatchObject({ state: State.FAILED, attempt: 1, error: { reason: "IMAGE_SERVICE_REFUSED" } });
    expect(calls.filter((method) => method === "POST")).toHaveLength(1);
    const refused = { code: "FailedPrecondition", reason: "IMAGE_SERVICE_REFUSED" };
    expect(await refusal(jobs.uploadImage({ data: picture }, credential))).toMatchObject(refused);
    expect(await refusalOf(await post(picture))).toMatchObject({ status: 409, reason: refused.reason });
  });
});

describe("while the image service is away", () => {
  test("pictures are unavailable, jobs are accepted, health says so; then all goes on", async () => {
    const { service, jobs, credential, url, submit, ended, download, post } = await opened({ worker: true });
    const id = service.put(await smallPicture(), "image/png");
    const backendIs = (state: string, status: string) =>
      vi.waitFor(async () => {
        const response = await fetch(`${url}/health`);
        expect([response.status, await response.json()]).toMatchObject([
          200,
          { status, backends: { image_service: state } },
        ]);
      }, patience);
    await backendIs("up", "ok");
    service.away = true;
    await backendIs("down", "degraded");
    expect(await refusal(jobs.getImage({ imageId: id }, credential))).toMatchObject(away);
    expect(await refusal(jobs.uploadImage({ data: await smallPicture() }, credential))).toMatchObject(away);
    for (const response of [await download(id), await post(await smallPicture())]) {
      expect(response.headers.get("retry-after")).toBe("1");
      expect(await refusalOf(response)).toMatchObject({ status: 503, reason: away.reason });
    }
    const jobId = await submit(id);
    service.away = false;
    await backendIs("up", "ok");
    expect((await ended(jobId))?.state).toBe(State.SUCCEEDED);
  });
});

describe("what an image service has", () => {
  const types = [undefined, "binary/octet-stream", "text/html", "image/png", "image/jpeg"];

  test.each(types)("is a picture by its bytes, sent with the type %s", async (type) => {
    const { service, submit, ended, download } = await opened({ worker: true });
    const bytes = await smallPicture("jpeg");
    const response = await download(service.put(bytes, type));
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from(bytes));
    expect((await ended(await submit("img-1")))?.state).toBe(State.SUCCEEDED);
  });

  const others: Readonly<Record<string, [bytes: string, rule: string]>> = {
    "a page": ["<script>", "must be a JPEG, PNG or WebP picture"],
    "another picture": ["GIF89a", "must be a JPEG, PNG or WebP picture"],
    nothing: ["", "must not be empty"],
  };

  test.each(Object.entries(others))("is refused for good when it is %s", async (_what, [bytes, rule]) => {
    const { service, submit, ended, download } = await opened({ worker: true });
    const response = await download(service.put(Buffer.from(bytes), "image/png"));
    expect(response.headers.has("retry-after")).toBe(false);
    expect(await refusalOf(response)).toMatchObject({
      status: 404,
      reason: "IMAGE_NOT_FOUND",
      message: `what the image service has there cannot be used: it ${rule}`,
    });
    const job = await ended(await submit("img-1"));
    expect(job).toMatchObject({ state: State.FAILED, attempt: 1, error: { reason: "INPUT_PICTURE_GONE" } });
  });

  test("is broken off when its end is missing", async () => {
    const { service, download } = await opened();
    const cut = (await noisyPicture(600)).slice(0, -20);
    const response = await download(service.put(cut, "image/png"));
    expect(await response.arrayBuffer().catch(() => "broken off")).toBe("broken off");
  });
});

describe("IMAGE_SERVICE_URL", () => {
  const read = (url: string) => readServerConfig({ IMAGE_SERVICE_URL: url, IMAGE_SERVICE_API_KEY: key }).imageService;

  test("is an address, with a path or without", () => {
    expect(read("http://127.0.0.1:9000/")).toEqual({ url: "http://127.0.0.1:9000", key });
    expect(read("https://images.example.com/v1/")?.url).toBe("https://images.example.com/v1");
  });

  test.each(["127.0.0.1:9000", "ftp://h", "http://u@h", "http://:p@h", "http://h?a=b", "http://h/#a"])(
    "is not %s",
    (url) => {
      expect(() => read(url)).toThrow(/^IMAGE_SERVICE_URL: must /);
    },
  );

  test("needs the key", () => {
    const refused = /^IMAGE_SERVICE_URL: must be given with IMAGE_SERVICE_API_KEY/;
    expect(() => readServerConfig({ IMAGE_SERVICE_URL: "http://h" })).toThrow(refused);
  });
});
