import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  Code,
  createDarkroom,
  type DarkroomClient,
  DevelopError,
  type Progress,
  State,
} from "../../src/client/index.ts";
import { createDarkroom as createWebDarkroom } from "../../src/client/web.ts";
import { recordingLog } from "../support/log.ts";
import { proxyTo } from "../support/proxy.ts";
import { colourfulness, redPicture } from "../support/red.ts";
import { serve } from "../support/server.ts";

const red = await redPicture();
const account = { username: "ada", password: "a long enough one" };

async function signedUp(url: string, create: (url: string) => DarkroomClient = createDarkroom) {
  const darkroom = create(url);
  await darkroom.signUp(account);
  return darkroom;
}

test("develops a picture and tells how far it is", async () => {
  const darkroom = await signedUp((await serve()).url);
  const progress: Progress[] = [];
  const wishes = { strength: 1, seed: 7, imageCount: 2, model: "studio", promptGuidance: 9 };
  const { job, picture, pictures } = await darkroom.develop(red, "black and white", {
    ...wishes,
    deadline: new Date(Date.now() + 60_000),
    onProgress: (step) => progress.push(step),
  });
  expect(progress[0]).toEqual({ stage: "uploading", progress: 0 });
  expect(progress.at(-1)).toMatchObject({ stage: "succeeded", progress: 1 });
  expect(job).toMatchObject({ strength: 1, seed: 7, imageCount: 2, modelType: "studio", promptGuidance: 9 });
  expect(pictures).toHaveLength(2);
  expect(picture).toBe(pictures[0]);
  expect(picture.image).toMatchObject({ width: 40, height: 30, sizeBytes: BigInt(picture.bytes.length) });
  expect(picture.blob()).toMatchObject({ type: picture.image.contentType, size: picture.bytes.length });
  expect(await colourfulness(picture.bytes)).toBeLessThan(3);
});

test.each([
  ["a Blob", new Blob([red])],
  ["an ArrayBuffer", red.buffer],
])("takes %s", async (_kind, picture) => {
  const darkroom = await signedUp((await serve()).url);
  expect((await darkroom.develop(picture, "sepia")).picture.image.width).toBe(40);
});

test.each([
  ["gRPC", createDarkroom],
  ["Connect", (url: string) => createDarkroom(url, { protocol: "connect" })],
  ["Connect by fetch", createWebDarkroom],
  ["gRPC-Web by fetch", (url: string) => createWebDarkroom(url, { protocol: "grpc-web" })],
])("survives connections that break, over %s", async (_kind, create) => {
  const proxy = await proxyTo((await serve()).url);
  const darkroom = await signedUp(proxy.url, create);
  const before = proxy.connections;
  const versions: bigint[] = [];
  const { picture } = await darkroom.develop(red, "black and white", {
    onProgress({ job }) {
      if (job === undefined) return;
      versions.push(job.version);
      proxy.cut();
      proxy.away = true;
      setTimeout(() => {
        proxy.away = false;
      }, 100);
    },
  });
  expect(picture.image.width).toBe(40);
  // Each snapshot breaks all that are open; a quick job may have shown but one.
  expect(versions.length).toBeGreaterThan(0);
  expect(proxy.connections).toBeGreaterThan(before);
  expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => Number(a - b)));
});

/** Loses these answers to clients in browsers; a procedure's first has the count 1. */
function loseAnswers(isLost: (procedure: string, count: number) => boolean): void {
  const { fetch } = globalThis;
  const counts = new Map<string, number>();
  const fetched = vi.spyOn(globalThis, "fetch").mockImplementation(async (url, init) => {
    const answer = await fetch(url, init);
    const procedure = String(url).split("/").at(-1) ?? "";
    const count = (counts.get(procedure) ?? 0) + 1;
    counts.set(procedure, count);
    if (isLost(procedure, count)) throw new TypeError("fetch failed");
    return answer;
  });
  onTestFinished(() => fetched.mockRestore());
}

test("survives lost answers, and submits its job once", async () => {
  const darkroom = await signedUp((await serve()).url, createWebDarkroom);
  // Of the upload and the submission the first, of each of two downloads.
  loseAnswers((procedure, count) =>
    procedure === "GetImage" ? count % 2 === 1 : /^(Upload|Submit)/.test(procedure) && count === 1,
  );
  const { picture } = await darkroom.develop(red, "sepia");
  expect((await darkroom.jobs.listImageJobs({})).jobs).toHaveLength(1);
  expect((await darkroom.picture(picture.image.id)).bytes).toEqual(picture.bytes);
});

test("an abort rejects with the signal's reason, also where the job cannot be cancelled", async () => {
  const darkroom = await signedUp((await serve({}, { worker: false })).url, createWebDarkroom);
  loseAnswers((procedure) => procedure === "CancelImageJob");
  const stop = new AbortController();
  const onProgress = ({ stage }: Progress) => {
    if (stage === "queued") stop.abort("gone");
  };
  await expect(darkroom.develop(red, "sepia", { signal: stop.signal, onProgress })).rejects.toBe("gone");
});

test("an abort cancels the job and rejects with the signal's reason", async () => {
  const { url } = await serve({}, { worker: false });
  const darkroom = await signedUp(url);
  const stop = new AbortController();
  const reason = new Error("the user went away");
  const onProgress = ({ stage }: Progress) => {
    if (stage === "queued") stop.abort(reason);
  };
  await expect(darkroom.develop(red, "sepia", { signal: stop.signal, onProgress })).rejects.toBe(reason);
  const { jobs } = await darkroom.jobs.listImageJobs({});
  expect(jobs.map(({ state }) => state)).toEqual([State.CANCELLED]);
});

test("an abort before the start sends nothing", async () => {
  const { url } = await serve({}, { worker: false });
  const darkroom = await signedUp(url);
  await expect(darkroom.develop(red, "sepia", { signal: AbortSignal.abort("no") })).rejects.toBe("no");
  expect((await darkroom.jobs.listImageJobs({})).jobs).toEqual([]);
});

describe("a job without a picture", () => {
  test("rejects with what the job says", async () => {
    const darkroom = await signedUp((await serve()).url);
    const error = await darkroom.develop(red, "qwertz").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DevelopError);
    expect(error).toMatchObject({ reason: "PROMPT_NOT_UNDERSTOOD", job: { state: State.FAILED } });
  });

  test("rejects when somebody else cancelled it", async () => {
    const darkroom = await signedUp((await serve({}, { worker: false })).url);
    const cancelled: Promise<unknown>[] = [];
    const onProgress = ({ stage, job }: Progress) => {
      if (stage === "queued") cancelled.push(darkroom.jobs.cancelImageJob({ jobId: job?.id ?? "" }));
    };
    const error = await darkroom.develop(red, "sepia", { onProgress }).catch((reason: unknown) => reason);
    await Promise.all(cancelled);
    expect(error).toBeInstanceOf(DevelopError);
    expect(error).toMatchObject({ job: { state: State.CANCELLED } });
  });
});

test("what the server refuses is refused at once, and what a callback throws is thrown and ends the watch", async () => {
  const log = recordingLog();
  const darkroom = await signedUp((await serve({}, { worker: false, log })).url);
  await expect(darkroom.develop(red, "")).rejects.toMatchObject({ code: Code.InvalidArgument });
  await expect(darkroom.develop(new Uint8Array(3), "sepia")).rejects.toMatchObject({ code: Code.InvalidArgument });
  const bug = new TypeError("a bug in the page");
  const onProgress = ({ job }: Progress) => {
    if (job !== undefined) throw bug;
  };
  await expect(darkroom.develop(red, "sepia", { onProgress })).rejects.toBe(bug);
  const isOver = () => log.lines.some(({ fields }) => `${fields.path}`.endsWith("/WatchImageJob"));
  await vi.waitUntil(isOver, { timeout: 20_000 });
  expect((await darkroom.jobs.listImageJobs({})).jobs).toMatchObject([{ state: State.QUEUED }]);
});

test.each([
  ["seed", { seed: Date.now() }],
  ["seed", { seed: -1.5 }],
  ["image_count", { imageCount: 1.5 }],
])("what no request can carry is refused before anything is sent, by its name: %s in %o", async (field, options) => {
  const darkroom = createDarkroom("http://127.0.0.1:1");
  const refused = { code: Code.InvalidArgument, message: expect.stringContaining(`.${field} `) };
  const stages: string[] = [];
  const onProgress = ({ stage }: Progress) => void stages.push(stage);
  await expect(darkroom.develop(red, "sepia", { ...options, onProgress })).rejects.toMatchObject(refused);
  expect(stages).toEqual([]);
});

test("a job that was submitted before gives its result too; giving up waiting leaves it", async () => {
  const darkroom = await signedUp((await serve()).url);
  const { image } = await darkroom.jobs.uploadImage({ data: red });
  const { job } = await darkroom.jobs.submitImageJob({ imageId: image?.id ?? "", prompt: "sepia" });
  await expect(darkroom.result(job?.id ?? "", { signal: AbortSignal.abort("later") })).rejects.toBe("later");
  expect((await darkroom.result(job?.id ?? "")).job).toMatchObject({ id: job?.id, state: State.SUCCEEDED });
});
