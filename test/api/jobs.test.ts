import { createHook } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { afterAll, describe, expect, test, vi } from "vitest";
import {
  type ImageJob,
  ImageJobService,
  State,
  type SubmitImageJobRequestSchema,
} from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { noisyPicture, smallPicture } from "../support/pictures.ts";
import { drain, refusal } from "../support/refusals.ts";
import { signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { protocols } from "../support/transports.ts";

type Wanted = MessageInitShape<typeof SubmitImageJobRequestSchema>;

/** An account with a picture, and what it does with jobs. */
async function studioOf(server: Awaited<ReturnType<typeof shareServer>>) {
  const account = await signIn(server);
  const { jobs } = server;
  const { image } = await jobs.uploadImage({ data: await smallPicture() }, account.credential);
  const imageId = image?.id ?? "";
  const known = ({ job }: { job?: ImageJob | undefined }): ImageJob => {
    if (job === undefined) throw new Error("the answer has no job");
    return job;
  };
  return {
    ...account,
    imageId,
    jobs,
    submit: async (wanted: Wanted = {}) =>
      known(await jobs.submitImageJob({ imageId, prompt: "sepia", ...wanted }, account.credential)),
    poll: async (jobId: string, seconds = 0) =>
      known(await jobs.pollImageJob({ jobId, wait: { seconds: BigInt(seconds) } }, account.credential)),
    watch: (jobId: string, afterVersion = 0n) => jobs.watchImageJob({ jobId, afterVersion }, account.credential),
    cancel: async (jobId: string) => known(await jobs.cancelImageJob({ jobId }, account.credential)),
    list: (query: { pageSize?: number; pageToken?: string; states?: State[] } = {}) =>
      jobs.listImageJobs(query, account.credential),
    picture: async (id = "") =>
      Buffer.concat((await drain(jobs.getImage({ imageId: id }, account.credential))).map(({ data }) => data)),
  };
}

const working = await shareServer();
const waiting = await shareServer({}, { worker: false });
const owner = await studioOf(working);
const patient = await studioOf(waiting);
const stranger = await signIn(waiting);
const noise = await working.jobs.uploadImage({ data: await noisyPicture(64) }, owner.credential);
const noiseId = noise.image?.id ?? "";

describe("a job", () => {
  test("has an id after those of jobs before it, so that its row is stored beside theirs", async () => {
    const ids: string[] = [];
    for (let count = 0; count < 8; count++) {
      const { id, createTime } = await patient.submit();
      ids.push(id);
      await vi.waitUntil(() => Date.now() > timestampMs(createTime as Timestamp));
    }
    expect(ids).toEqual(ids.toSorted());
  });

  test("is submitted, watched to its end, and fetched", async () => {
    const job = await owner.submit({ prompt: "sepia, mirrored" });
    expect(job).toMatchObject({ state: State.QUEUED, attempt: 0, outputImageIds: [], prompt: "sepia, mirrored" });
    const seen = (await drain(owner.watch(job.id))).map((message) => message.job);
    expect(seen.at(-1)).toMatchObject({ state: State.SUCCEEDED, attempt: 1, progress: 1 });
    expect(
      seen
        .slice(0, -1)
        .every((each) => ([State.QUEUED, State.RUNNING] as State[]).includes(each?.state ?? State.UNSPECIFIED)),
    ).toBe(true);

    const done = await owner.poll(job.id);
    expect(done).toEqual(seen.at(-1));
    expect(done.outputImageIds).toHaveLength(1);
    expect(done.error).toBeUndefined();
    const times = [done.createTime, done.queueTime, done.startTime, done.endTime].map((time) => Number(time?.seconds));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const developed = await owner.picture(done.outputImageIds[0]);
    expect(developed.length).toBeGreaterThan(0);
    expect(developed.equals(await owner.picture(owner.imageId))).toBe(false);
  });

  test("gets what is not asked for by default", async () => {
    const job = await patient.submit();
    expect(job).toMatchObject({
      promptGuidance: 7.5,
      strength: 0.8,
      modelType: "studio",
      imageCount: 1,
      requestId: "",
    });
    expect(Number(job.deadline?.seconds) - Number(job.createTime?.seconds)).toBe(24 * 3600);
    const seeds = new Set([job.seed, (await patient.submit()).seed, (await patient.submit()).seed]);
    expect(seeds.size).toBeGreaterThan(1);
  });

  test("keeps what is asked for, zeros too", async () => {
    const wanted = { promptGuidance: 0, strength: 0, seed: 0, imageCount: 4, modelType: "studio", requestId: "a-1" };
    expect(await patient.submit(wanted)).toMatchObject(wanted);
    const edges = { promptGuidance: 30, strength: 1, seed: 4_294_967_295, imageCount: 1 };
    expect(await patient.submit(edges)).toMatchObject(edges);
  });

  test("makes as many pictures as are wanted", async () => {
    const { id } = await owner.submit({ imageId: noiseId, prompt: "grain", imageCount: 2, seed: 1 });
    const { state, outputImageIds } = await owner.poll(id, 60);
    expect(state).toBe(State.SUCCEEDED);
    expect(new Set(outputImageIds).size).toBe(2);
    const [first, second] = await Promise.all(outputImageIds.map(owner.picture));
    expect(first?.equals(second ?? first)).toBe(false);
  });

  test("makes the same picture from the same seed", async () => {
    const develop = async (seed: number) => {
      const { id } = await owner.submit({ imageId: noiseId, prompt: "grain", seed });
      return owner.picture((await owner.poll(id, 60)).outputImageIds[0]);
    };
    const [once, again, other] = await Promise.all([develop(5), develop(5), develop(6)]);
    expect(once?.equals(again ?? Buffer.alloc(0))).toBe(true);
    expect(once?.equals(other ?? once)).toBe(false);
  });

  test("whose prompt has no known word fails, and says which words there are", async () => {
    const { id } = await owner.submit({ prompt: "xyzzy plugh" });
    const { state, error, outputImageIds, attempt } = await owner.poll(id, 60);
    expect({ state, attempt, outputImageIds }).toEqual({ state: State.FAILED, attempt: 1, outputImageIds: [] });
    expect(error?.reason).toBe("PROMPT_NOT_UNDERSTOOD");
    expect(error?.message).toMatch(/sepia/);
  });

  test("expires at its deadline", async () => {
    const job = await patient.submit({ deadline: timestampFromMs(Date.now() + 1000) });
    const { state, error, endTime } = await patient.poll(job.id, 60);
    expect({ state, reason: error?.reason }).toEqual({ state: State.EXPIRED, reason: "DEADLINE_PASSED" });
    expect(endTime).toBeDefined();
  });

  test("has a model from the list", async () => {
    const { models } = await working.jobs.listModels({}, owner.credential);
    expect(models.map(({ isDefault }) => isDefault)).toEqual([true, ...models.slice(1).map(() => false)]);
    expect(models[0]).toMatchObject({ name: "studio", description: expect.stringContaining("sepia") });
  });
});

describe("a poll", () => {
  test("answers at once without a wait, and when the time is up with one", async () => {
    const job = await patient.submit();
    expect(await patient.poll(job.id)).toMatchObject({ id: job.id, state: State.QUEUED });
    for (const nanos of [1e7, 1, 500_500]) {
      const wanted = { jobId: job.id, wait: { nanos } };
      const { job: later } = await waiting.jobs.pollImageJob(wanted, patient.credential);
      expect(later?.state).toBe(State.QUEUED);
    }
  });

  test("that waits answers when the job ends", async () => {
    const { id } = await patient.submit();
    const polls = Array.from({ length: 3 }, () => patient.poll(id, 60));
    await patient.cancel(id);
    for (const job of await Promise.all(polls)) expect(job.state).toBe(State.CANCELLED);
  });

  test.each([
    { seconds: 61n },
    { seconds: -1n },
    { seconds: 0n, nanos: -1 },
    { seconds: 60n, nanos: 1 },
    { seconds: 315_576_000_000n },
  ])("waits no longer than it may: %o", async (wait) => {
    const { id: jobId } = await patient.submit();
    const refused = await refusal(waiting.jobs.pollImageJob({ jobId, wait }, patient.credential));
    expect(refused).toMatchObject({ code: "InvalidArgument", fields: ["wait"] });
  });

  test("of each of fifty jobs gets its own, all at once", async () => {
    const prompts = Array.from({ length: 50 }, (_, index) => (index % 10 === 0 ? "nothing known" : "mirror"));
    const submitted = await Promise.all(prompts.map((prompt, seed) => owner.submit({ prompt, seed })));
    const ended = await Promise.all(submitted.map(({ id }) => owner.poll(id, 60)));
    for (const [index, job] of ended.entries()) {
      const failed = prompts[index] === "nothing known";
      expect(job).toMatchObject({
        id: submitted[index]?.id,
        seed: index,
        state: failed ? State.FAILED : State.SUCCEEDED,
        attempt: 1,
      });
      expect(job.outputImageIds).toHaveLength(failed ? 0 : 1);
    }
    expect(new Set(ended.flatMap((job) => job.outputImageIds)).size).toBe(45);
  });
});

describe("a watch", () => {
  test("resumes after a version, and always gives the terminal snapshot", async () => {
    const { id } = await owner.submit();
    const { version, ...ended } = await owner.poll(id, 60);
    for (const after of [0n, version - 1n, version, version + 100n, 2n ** 64n - 1n]) {
      const seen = await drain(owner.watch(id, after));
      expect(seen.map(({ job }) => job)).toEqual([{ ...ended, version }]);
    }
  });

  test("gives a running job's present state first, and nothing that was seen", async () => {
    const { id } = await patient.submit();
    await vi.waitFor(async () => expect((await patient.poll(id)).version).toBeGreaterThan(1n), { timeout: 20_000 });
    const { version } = await patient.poll(id);
    const fresh = patient.watch(id)[Symbol.asyncIterator]();
    expect((await fresh.next()).value?.job?.version).toBe(version);

    const resumed = drain(patient.watch(id, version));
    await patient.cancel(id);
    expect((await resumed).map(({ job }) => job?.state)).toEqual([State.CANCELLED]);
    expect((await fresh.next()).value?.job?.state).toBe(State.CANCELLED);
    expect((await fresh.next()).done).toBe(true);
  });

  test("is one of many", async () => {
    const { id } = await owner.submit();
    const all = await Promise.all(Array.from({ length: 40 }, () => drain(owner.watch(id))));
    for (const seen of all) {
      expect(seen.at(-1)?.job?.state).toBe(State.SUCCEEDED);
      const versions = seen.map(({ job }) => job?.version ?? 0n);
      expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => Number(a - b)));
    }
  });
});

/** By headers that the clients do not know of, so that nothing but the server sees the time pass. */
describe.each(protocols)("a watch over $name", ({ name, open }) => {
  const timeout: Record<string, string> = name.startsWith("Connect")
    ? { "connect-timeout-ms": "300" }
    : { "grpc-timeout": "300m" };

  test("whose caller's time is up says so, and does not ask for another", async () => {
    const { id: jobId } = await patient.submit();
    const jobs = createClient(ImageJobService, open(waiting.url));
    const headers = { ...patient.credential.headers, ...timeout };
    expect(await refusal(jobs.watchImageJob({ jobId }, { headers }))).toMatchObject({
      code: "DeadlineExceeded",
      message: "the operation timed out",
    });
  });
});

describe("once they have ended", () => {
  const { countOf, stop } = trackTimers();
  afterAll(stop);

  test.each([
    ["a watch", 60 * 60 * 1000, (id: string) => drain(patient.watch(id))],
    ["a poll", 59_000, (id: string) => patient.poll(id, 59)],
  ])("%s keeps no timer", async (_what, ms, wait) => {
    const { id } = await patient.submit();
    const ended = wait(id);
    await vi.waitUntil(() => countOf(ms) === 1);
    await patient.cancel(id);
    await ended;
    await vi.waitUntil(() => countOf(ms) === 0);
  });
});

/** How many of this process's timers, from now on, wait for so many milliseconds. */
function trackTimers() {
  const timers = new Map<number, number | undefined>();
  const hook = createHook({
    init(id, type, _trigger, timer: { _idleTimeout?: number }) {
      if (type === "Timeout") timers.set(id, timer._idleTimeout);
    },
    destroy: (id) => void timers.delete(id),
  }).enable();
  return {
    countOf: (ms: number) => [...timers.values()].filter((each) => each === ms).length,
    stop: () => hook.disable(),
  };
}

describe("cancelling", () => {
  test("ends a job that waits, once", async () => {
    const { id } = await patient.submit();
    const cancelled = await patient.cancel(id);
    expect(cancelled).toMatchObject({ state: State.CANCELLED, error: { reason: "CANCELLED" } });
    expect(cancelled.endTime).toBeDefined();
    expect(await patient.cancel(id)).toEqual(cancelled);
    expect(await patient.poll(id)).toEqual(cancelled);
  });

  test("is refused for a job that ended otherwise, which stays as it is", async () => {
    const { id } = await owner.submit();
    const ended = await owner.poll(id, 60);
    const refused = await refusal(owner.cancel(id));
    expect(refused).toMatchObject({ code: "FailedPrecondition", reason: "JOB_ENDED" });
    expect(await owner.poll(id)).toEqual(ended);
  });

  test("and the worker's end race, and one of them stays", async () => {
    const submitted = await Promise.all(Array.from({ length: 10 }, () => owner.submit({ prompt: "blur" })));
    const outcomes = await Promise.all(
      submitted.map(async ({ id }) => {
        const cancelled = await owner.cancel(id).then(
          (job) => job.state,
          () => undefined,
        );
        return { id, cancelled, ended: await owner.poll(id, 60) };
      }),
    );
    for (const { id, cancelled, ended } of outcomes) {
      if (cancelled !== undefined) expect(ended.state).toBe(State.CANCELLED);
      expect(await owner.poll(id)).toEqual(ended);
    }
  });
});

describe("a list", () => {
  test("has the caller's jobs, newest first, by state and in pages", async () => {
    const lister = await studioOf(waiting);
    const ids: string[] = [];
    for (let count = 0; count < 7; count += 1) ids.unshift((await lister.submit()).id);
    const cancelled = [ids[1] ?? "", ids[4] ?? ""];
    for (const id of cancelled) await lister.cancel(id);

    const idsOf = async (states: State[]) => (await lister.list({ states })).jobs.map(({ id }) => id);
    const queued = ids.filter((id) => !cancelled.includes(id));
    expect((await idsOf([])).toSorted()).toEqual(ids.toSorted());
    expect((await idsOf([State.CANCELLED])).toSorted()).toEqual(cancelled.toSorted());
    expect((await idsOf([State.QUEUED, State.QUEUED])).toSorted()).toEqual(queued.toSorted());
    expect((await idsOf([State.QUEUED, State.CANCELLED])).toSorted()).toEqual(ids.toSorted());
    expect(await idsOf([State.SUCCEEDED])).toEqual([]);

    const paged: ImageJob[] = [];
    let pageToken = "";
    do {
      const page = await lister.list({ pageSize: 3, pageToken });
      expect(page.jobs.length).toBe(pageToken === "" || page.nextPageToken !== "" ? 3 : 1);
      paged.push(...page.jobs);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    const all = (await lister.list({ pageSize: 100 })).jobs;
    // Not the jobs themselves: meanwhile they may be noted as sent.
    expect(paged.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    const made = paged.map(({ createTime }) => Number(createTime?.seconds) * 1e9 + Number(createTime?.nanos));
    expect(made).toEqual(made.toSorted((a, b) => b - a));
    expect((await lister.list({ pageSize: 7 })).nextPageToken).toBe("");
  });

  test("of somebody without jobs is empty", async () => {
    const { jobs, nextPageToken } = await waiting.jobs.listImageJobs({}, stranger.credential);
    expect({ jobs, nextPageToken }).toEqual({ jobs: [], nextPageToken: "" });
  });

  test.each([
    ["a negative size", { pageSize: -1 }, "page_size"],
    ["a size over 100", { pageSize: 101 }, "page_size"],
    ["the largest size", { pageSize: 2_147_483_647 }, "page_size"],
    ["a made-up token", { pageToken: "nonsense" }, "page_token"],
    ["a token of other letters", { pageToken: "жетон'; --" }, "page_token"],
    ["a long token", { pageToken: "A".repeat(10_000) }, "page_token"],
    ["no state at all", { states: [State.UNSPECIFIED] }, "states"],
    ["a state nobody knows", { states: [State.QUEUED, 99 as State] }, "states"],
  ])("refuses %s", async (_what, query, field) => {
    expect(await refusal(patient.list(query))).toMatchObject({ code: "InvalidArgument", fields: [field] });
  });
});

describe("a request_id", () => {
  test("gives the same job again, also after it has ended", async () => {
    const requestId = randomUUID();
    const job = await patient.submit({ requestId, seed: 3 });
    expect((await patient.submit({ requestId, seed: 3 })).id).toBe(job.id);
    await patient.cancel(job.id);
    expect(await patient.submit({ requestId, seed: 3 })).toMatchObject({ id: job.id, state: State.CANCELLED });
  });

  test("gives the same job to twenty at once, without a seed too", async () => {
    const requestId = randomUUID();
    const all = await Promise.all(Array.from({ length: 20 }, () => patient.submit({ requestId })));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(new Set(all.map(({ seed }) => seed)).size).toBe(1);
    const { jobs } = await patient.list({ pageSize: 100 });
    expect(jobs.filter((job) => job.requestId === requestId)).toHaveLength(1);
  });

  test.each<[string, Wanted]>([
    ["picture", { imageId: randomUUID() }],
    ["prompt", { prompt: "negative" }],
    ["guidance", { promptGuidance: 3 }],
    ["strength", { strength: 0.5 }],
    ["seed", { seed: 1 }],
    ["number of pictures", { imageCount: 2 }],
    ["model", { modelType: "studio" }],
    ["deadline", { deadline: timestampFromMs(Date.now() + 3_600_000) }],
  ])("is refused with another %s", async (_what, change) => {
    const requestId = randomUUID();
    await patient.submit({ requestId });
    expect(await refusal(patient.submit({ requestId, ...change }))).toMatchObject({
      code: "AlreadyExists",
      reason: "REQUEST_ID_REUSED",
      fields: ["request_id"],
    });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("does not let a strength of %d pass for none", async (strength) => {
    const requestId = randomUUID();
    await patient.submit({ requestId });
    const { code } = await refusal(patient.submit({ requestId, strength }));
    expect(["AlreadyExists", "InvalidArgument"]).toContain(code);
  });

  test("is the caller's own", async () => {
    const requestId = randomUUID();
    const mine = await patient.submit({ requestId });
    const other = await studioOf(waiting);
    expect((await other.submit({ requestId })).id).not.toBe(mine.id);
  });

  test.each(["with blanks", "ы", "x".repeat(129), "\n"])("has printable characters alone: %j", async (requestId) => {
    const refused = await refusal(patient.submit({ requestId }));
    expect(refused).toMatchObject({ code: "InvalidArgument", fields: ["request_id"] });
  });
});

describe("somebody else's job", () => {
  test("does not exist, exactly as one that never did", async () => {
    const { id } = await patient.submit();
    for (const jobId of [id, randomUUID()]) {
      for (const call of [
        () => waiting.jobs.pollImageJob({ jobId }, stranger.credential),
        () => waiting.jobs.watchImageJob({ jobId }, stranger.credential),
        () => waiting.jobs.cancelImageJob({ jobId }, stranger.credential),
      ]) {
        const { code, reason, message, fields } = await refusal(call());
        const notFound = { code: "NotFound", reason: "JOB_NOT_FOUND", message: "there is no such job", fields: [] };
        expect({ code, reason, message, fields }).toEqual(notFound);
      }
    }
    expect((await patient.poll(id)).state).toBe(State.QUEUED);
  });
});
