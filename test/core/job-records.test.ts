import { describe, expect, test } from "vitest";
import { DomainError } from "../../src/model/errors.ts";
import type { ImageJob } from "../../src/model/image-job.ts";
import type { JobStore } from "../../src/ports/job-store.ts";
import { atOnce, sampleJob } from "../contracts/samples.ts";
import { openJobs } from "./opened-jobs.ts";

const nextAttempt = (job: ImageJob): ImageJob => ({ ...job, attempt: job.attempt + 1 });

/** A store that goes wrong at its first write, as `how` says. */
function flaky(how: (write: () => Promise<boolean>, job: ImageJob) => Promise<boolean>) {
  let isFirst = true;
  return (store: JobStore): JobStore => ({
    ...store,
    replace(job) {
      const write = () => store.replace(job);
      if (!isFirst) return write();
      isFirst = false;
      return how(write, job);
    },
  });
}

describe("reading jobs", () => {
  test("gives an owner's own, and no other", async () => {
    const { records, store } = await openJobs();
    const job = sampleJob();
    await store.insert(job);
    expect(await records.get(job.id)).toStrictEqual(job);
    expect(await records.getOwn(job.id, "owner")).toStrictEqual(job);
    const missing = { code: "not_found", reason: "JOB_NOT_FOUND", message: "there is no such job" };
    await expect(records.getOwn(job.id, "Owner")).rejects.toMatchObject(missing);
    for (const id of ["", "missing", "../x", job.id.toUpperCase(), "x".repeat(65), "é"]) {
      await expect(records.get(id)).rejects.toMatchObject(missing);
      await expect(records.getOwn(id, "owner")).rejects.toMatchObject(missing);
    }
  });
});

describe("changing a job", () => {
  test("is one write, with the next version and an operation of its own", async () => {
    const { records, store } = await openJobs();
    const job = sampleJob();
    await store.insert(job);
    const first = await records.change(job.id, nextAttempt);
    expect(first).toStrictEqual({ ...job, attempt: 1, version: 2, operation: first.operation });
    expect(await store.get(job.id)).toStrictEqual(first);
    const second = await records.change(job.id, nextAttempt);
    expect(second.version).toBe(3);
    expect(new Set([job, first, second].map(({ operation }) => operation)).size).toBe(3);
  });

  test("writes nothing when the step changes nothing or throws", async () => {
    const { records, store } = await openJobs();
    const job = sampleJob();
    await store.insert(job);
    expect(await records.change(job.id, (same) => same)).toStrictEqual(job);
    const refusal = new DomainError("aborted", "LEASE_HELD", "another worker has the job");
    const refuse = () => {
      throw refusal;
    };
    await expect(records.change(job.id, refuse)).rejects.toBe(refusal);
    expect(await store.get(job.id)).toStrictEqual(job);
    await expect(records.change("missing", nextAttempt)).rejects.toMatchObject({ code: "not_found" });
  });

  test("is done once by each of many writers at once, in several processes", async () => {
    const one = await openJobs();
    const two = await openJobs(one.path);
    const job = sampleJob();
    await one.store.insert(job);
    const writers = 20;
    const changed = await atOnce(writers, (index) => (index % 2 === 0 ? one : two).records.change(job.id, nextAttempt));
    const attempts = changed.map(({ attempt }) => attempt).sort((a, b) => a - b);
    expect(attempts).toEqual(Array.from({ length: writers }, (_, index) => index + 1));
    expect(await one.store.get(job.id)).toMatchObject({ attempt: writers, version: writers + 1 });
  });

  test("asks again how to change it when another writer came first", async () => {
    const other: { store?: JobStore } = {};
    const { records, store } = await openJobs(
      undefined,
      flaky(async (write, job) => {
        await other.store?.replace({ ...job, attempt: 0, state: "CANCELLED", operation: "other" });
        return write();
      }),
    );
    other.store = store;
    const job = sampleJob();
    await store.insert(job);
    const seen: string[] = [];
    const step = (now: ImageJob) => {
      seen.push(now.state);
      return now.state === "CANCELLED" ? now : nextAttempt(now);
    };
    expect(await records.change(job.id, step)).toMatchObject({ state: "CANCELLED", attempt: 0, version: 2 });
    expect(seen).toEqual(["QUEUED", "CANCELLED"]);
  });

  test("is given up where no try is written", async () => {
    const { records, store } = await openJobs(undefined, (inner) => ({ ...inner, replace: async () => false }));
    const job = sampleJob();
    await store.insert(job);
    const given = { code: "aborted", reason: "CHANGED_MEANWHILE" };
    await expect(records.change(job.id, nextAttempt)).rejects.toMatchObject(given);
    expect(await store.get(job.id)).toStrictEqual(job);
  });

  test.each<[string, Parameters<typeof flaky>[0]]>([
    [
      "the store lost the answer",
      async (write) => {
        await write();
        throw new Error("the connection was lost");
      },
    ],
    [
      "the store's own retry found it done",
      async (write) => {
        await write();
        return false;
      },
    ],
  ])("is done once, and announced, when %s", async (_, how) => {
    const { records, store, changes } = await openJobs(undefined, flaky(how));
    const job = sampleJob();
    await store.insert(job);
    const watching = changes.watch(job.id, 1, new AbortController().signal);
    const announced = watching.next();
    const changed = await records.change(job.id, nextAttempt);
    expect(changed).toMatchObject({ attempt: 1, version: 2 });
    expect(await store.get(job.id)).toStrictEqual(changed);
    expect((await announced).value).toStrictEqual(changed);
    await watching.return(undefined);
  });

  test("rejects when the write failed, and leaves the job as it was", async () => {
    const failure = new Error("the store is away");
    const { records, store } = await openJobs(
      undefined,
      flaky(() => Promise.reject(failure)),
    );
    const job = sampleJob();
    await store.insert(job);
    await expect(records.change(job.id, nextAttempt)).rejects.toBe(failure);
    expect(await store.get(job.id)).toStrictEqual(job);
    expect(await records.change(job.id, nextAttempt)).toMatchObject({ attempt: 1, version: 2 });
  });
});
