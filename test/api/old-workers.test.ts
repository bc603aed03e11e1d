import { createHash, randomUUID } from "node:crypto";
import sharp from "sharp";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { openQueues } from "../../src/app/backends.ts";
import { createLog } from "../../src/log/log.ts";
import { recordingLog } from "../support/log.ts";
import { type OldWorkerOptions, startOldWorker } from "../support/old-worker.ts";
import { smallPicture } from "../support/pictures.ts";
import { drain, refusal } from "../support/refusals.ts";
import { serve, signIn } from "../support/server.ts";
import { Broker } from "../support/service-bus-broker/broker.ts";

const key = "the-image-service's-key";
const env = { IMAGE_SERVICE_API_KEY: key, DARKROOM_MODELS: `{"sd": "gpu-jobs", "sd-xl": "big-gpu-jobs"}` };
const patience = { timeout: 30_000, interval: 50 };

/** A server whose models `sd` and `sd-xl` are other workers', an account, and the queues as those workers see them. */
async function opened(settings = {}) {
  const server = await serve({ ...env, ...settings }, { worker: false });
  const queues = await openQueues({ dataDir: server.dataDir, serviceBus: undefined }, Date.now, createLog("silent"));
  onTestFinished(() => queues.close());
  const { credential } = await signIn(server);
  const { jobs, url } = server;
  const { image } = await jobs.uploadImage({ data: await smallPicture("jpeg") }, credential);
  const wanted = { imageId: image?.id ?? "", prompt: "hello", modelType: "sd" };
  return {
    url,
    queues,
    jobs,
    credential,
    imageId: wanted.imageId,
    async submit(modelType = "sd") {
      return (await jobs.submitImageJob({ ...wanted, modelType }, credential)).job?.id ?? "";
    },
    async ended(jobId: string) {
      return (await jobs.pollImageJob({ jobId, wait: { seconds: 30n } }, credential)).job;
    },
    async bytesOf(imageId = "") {
      const messages = await drain(jobs.getImage({ imageId }, credential));
      return Buffer.concat(messages.map(({ data }) => data));
    },
    work(change: Partial<OldWorkerOptions> = {}) {
      const { resultQueue } = queues;
      const by = { jobQueue: queues.queue("gpu-jobs"), resultQueue, imageService: url, authorization: () => key };
      const worker = startOldWorker({ ...by, develop: mark, ...change });
      onTestFinished(() => worker.stop());
      return worker;
    },
  };
}

/** A picture that only this input and this message give. */
async function mark(picture: Buffer, { message_id, prompt }: { message_id: string; prompt: string }) {
  const [r = 0, g = 0, b = 0] = createHash("sha256").update(picture).update(message_id).update(prompt).digest();
  const image = sharp({ create: { width: 40, height: 30, channels: 3, background: { r, g, b } } });
  return Uint8Array.from(await image.png().toBuffer());
}

describe("a worker that knows the first system's messages alone", () => {
  test.each([
    ["its API key", () => key],
    ["the message's token", ({ token }: { token: string }) => token],
    ["the message's token as a bearer's", ({ token }: { token: string }) => `Bearer ${token}`],
  ])("develops the jobs of its model by %s", async (_by, authorization) => {
    const { work, submit, ended, bytesOf, imageId } = await opened();
    const worker = work({ authorization });
    const ids = [await submit(), await submit(), await submit()];
    for (const id of ids) {
      const job = await ended(id);
      expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 0, modelType: "sd" });
      const expected = await mark(await bytesOf(imageId), { message_id: id, prompt: "hello" });
      expect((await bytesOf(job?.outputImageIds[0])).equals(expected)).toBe(true);
    }
    expect(worker.taken.map(({ message_id }) => message_id).toSorted()).toEqual(ids.toSorted());
  });

  test("gets the message as it was recorded, with more beside it", async () => {
    const { work, submit, ended, imageId } = await opened();
    const { taken } = work();
    const message_id = await submit();
    await ended(message_id);
    const recorded = { message_id, uuid: imageId, prompt: "hello", prompt_guidance: 7.5, model_type: "sd" };
    expect(taken).toMatchObject([{ ...recorded, token: expect.stringMatching(/^ey/) }]);
    expect(taken[0]?.strength).toBeCloseTo(0.8);
  });

  test("may fail and take the message again", async () => {
    const { work, submit, ended } = await opened();
    let failures = 2;
    const { taken } = work({
      develop: (picture, message) =>
        failures-- > 0 ? Promise.reject(new Error("out of memory")) : mark(picture, message),
    });
    expect((await ended(await submit()))?.state).toBe(State.SUCCEEDED);
    expect(taken).toHaveLength(3);
  });

  test("is given no job of another model", async () => {
    const { work, submit, ended } = await opened();
    const small = work();
    const ids = [await submit("studio"), await submit("sd-xl"), await submit("sd")];
    expect((await ended(ids[2] ?? ""))?.state).toBe(State.SUCCEEDED);
    expect(small.taken.map(({ message_id }) => message_id)).toEqual([ids[2]]);
  });
});

describe("a result that makes no sense", () => {
  test("goes to the dead letters with its reason, and disturbs nobody", async () => {
    const { work, submit, ended, queues, jobs, credential } = await opened();
    const given = new Map<string, string>();
    const dead = queues.resultQueue.consumeDeadLetters(async ({ id, reason, description }) => {
      given.set(id, `${reason}: ${description}`);
      return { kind: "complete" };
    });
    onTestFinished(() => dead.stop());
    const waiting = await submit("sd-xl");
    const { image } = await jobs.uploadImage({ data: await smallPicture() }, credential);
    const bodies: Readonly<Record<string, Uint8Array>> = {
      "Malformed: the body is not JSON": Buffer.from("message_id=1"),
      "Malformed: the body is not JSON ": Uint8Array.of(0xff, 0xfe, 0x7b),
      "Malformed: the body is not a JSON object": Buffer.from("[]"),
      "Malformed: message_id is no job's id": Buffer.from(`{"uuid_processed":"x"}`),
      "Malformed: uuid_processed names no picture": Buffer.from(JSON.stringify({ message_id: waiting })),
      "UnknownJob: message_id names no job that is kept": Buffer.from(`{"message_id":"1-a","uuid_processed":"x"}`),
      "ForeignPicture: the result names a picture that was not uploaded for its job": Buffer.from(
        JSON.stringify({ message_id: waiting, uuid_processed: image?.id }),
      ),
    };
    const sent = Object.entries(bodies).map(([expected, body]) => ({ id: randomUUID(), expected, body }));
    await queues.resultQueue.send(sent);
    work();
    expect((await ended(await submit()))?.state).toBe(State.SUCCEEDED);
    await vi.waitFor(() => {
      expect(sent.map(({ id }) => given.get(id))).toEqual(sent.map(({ expected }) => expected.trim()));
    }, patience);
    expect((await jobs.pollImageJob({ jobId: waiting }, credential)).job?.state).toBe(State.QUEUED);
  });
});

test("a result that names its picture by what is no id fails its job, and the front end is told", async () => {
  const { url, submit, ended, queues, credential } = await opened();
  const message_id = await submit();
  const body = Buffer.from(JSON.stringify({ message_id, uuid_processed: "abc.png" }));
  await queues.resultQueue.send([{ id: randomUUID(), body }]);
  const error = { reason: "PICTURE_ID_UNUSABLE" };
  expect(await ended(message_id)).toMatchObject({ state: State.FAILED, error });
  const { headers } = credential as { headers: Record<string, string> };
  const polled = await fetch(`${url}/api/get_image?message_id=${message_id}`, { headers });
  expect([polled.status, await polled.json()]).toMatchObject([
    422,
    { data: { message_id: { code: "picture_id_unusable" } } },
  ]);
});

describe("a queue that gave a job up", () => {
  test("ends it, whichever queue it is", async () => {
    const { work, submit, ended, queues } = await opened();
    const discard = async () => ({ kind: "deadLetter", reason: "Refused", description: "" }) as const;
    const refusing = queues.queue("big-gpu-jobs").consume(discard, { concurrency: 1 });
    onTestFinished(() => refusing.stop());
    work();
    const [refused, done] = [await submit("sd-xl"), await submit("sd")];
    expect(await ended(refused)).toMatchObject({ state: State.FAILED, error: { reason: "DELIVERED_TOO_OFTEN" } });
    expect((await ended(done))?.state).toBe(State.SUCCEEDED);
  });
});

describe("the models of other workers", () => {
  test("are listed with ours, which stay the default", async () => {
    const { jobs, credential } = await opened();
    const { models } = await jobs.listModels({}, credential);
    expect(models.map(({ name }) => name)).toEqual(["studio", "upscale-2x", "sd", "sd-xl"]);
    expect(models.map(({ isDefault }) => isDefault)).toEqual([true, false, false, false]);
  });

  test("are the default where DARKROOM_DEFAULT_MODEL names one", async () => {
    const { jobs, credential, work, submit, ended } = await opened({ DARKROOM_DEFAULT_MODEL: "sd" });
    const { models } = await jobs.listModels({}, credential);
    expect(models.map(({ name, isDefault }) => [name, isDefault])).toEqual([
      ["sd", true],
      ["studio", false],
      ["upscale-2x", false],
      ["sd-xl", false],
    ]);
    const worker = work();
    expect(await ended(await submit(""))).toMatchObject({ state: State.SUCCEEDED, modelType: "sd" });
    expect(worker.taken.map(({ model_type }) => model_type)).toEqual(["sd"]);
  });

  test("are the only ones besides", async () => {
    const { submit } = await opened();
    expect(await refusal(submit("sd-3"))).toMatchObject({ code: "InvalidArgument", fields: ["model_type"] });
  });

  test("are warned of where their workers cannot reach the queue", async () => {
    const broker = new Broker({ queues: ["darkroom-jobs", "darkroom-results", "gpu-jobs", "big-gpu-jobs"] });
    await broker.start();
    onTestFinished(() => broker.stop());
    const serviceBus = { AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString };
    const message = "no worker can take the jobs of these models";
    const stranded = { level: "warn", message, fields: { models: ["sd", "sd-xl"] } };
    for (const [settings, lines] of [
      [env, [stranded]],
      [{ ...env, ...serviceBus }, []],
      [{}, []],
    ] as const) {
      const log = recordingLog();
      await serve(settings, { worker: false, log });
      expect(log.lines.filter(({ level }) => level === "warn")).toMatchObject(lines);
    }
  });

  test("cannot take the name of ours", async () => {
    const started = serve({ DARKROOM_MODELS: `{"studio": "gpu-jobs"}` }, { worker: false });
    await expect(started).rejects.toThrow(/^DARKROOM_MODELS: studio is a model of Darkroom's own workers/);
  });

  test("cannot be the default when nobody has them", async () => {
    const started = serve({ ...env, DARKROOM_DEFAULT_MODEL: "sd-3" }, { worker: false });
    await expect(started).rejects.toThrow(/^DARKROOM_DEFAULT_MODEL: must be one of: studio, upscale-2x, sd, sd-xl$/);
  });
});
