import { expect, test, vi } from "vitest";
import { StoreUnavailable } from "../../src/ports/store-errors.ts";
import { sampleJob } from "../contracts/samples.ts";
import { day, openCore } from "./opened-core.ts";

const everything = { source: undefined, pageToken: "" };

/** The use cases of jobs, and so many jobs that have expired. */
async function openExpired(count: number) {
  const core = await openCore();
  const jobs = [];
  for (let made = 0; made < count; made += 1) {
    jobs.push(await core.submit());
    core.clock.advance(1);
  }
  await core.drain();
  core.clock.advance(day);
  await core.sweeper.sweepJobs();
  return { ...core, ids: jobs.map(({ id }) => id), imageIds: jobs.map(({ inputImageId }) => inputImageId) };
}

test("a redriven job is published at once, once, under a new number", async () => {
  const { deadLetters, records, drain, ids, sweeper } = await openExpired(1);
  await deadLetters.redrive("job", ids[0] ?? "");
  await sweeper.sweepJobs();
  expect((await drain()).map(({ message_id, dispatch }) => [message_id, dispatch])).toEqual([[ids[0], 2]]);
  expect(await records.get(ids[0] ?? "")).toMatchObject({ state: "QUEUED", sent: true, attempt: 0, error: null });
});

test("a redriven job and its input are kept as long as any other's, from its new end", async () => {
  const { deadLetters, records, sweeper, images, user, clock, ids, imageIds } = await openExpired(1);
  const [id = "", imageId = ""] = [ids[0], imageIds[0]];
  clock.advance(29 * day);
  await deadLetters.redrive("job", id);
  for (const state of ["QUEUED", "EXPIRED"]) {
    await sweeper.sweepJobs();
    await sweeper.sweepRetention();
    expect(await records.get(id)).toMatchObject({ state });
    clock.advance(day);
  }
  clock.advance(28 * day);
  await sweeper.sweepJobs();
  await sweeper.sweepRetention();
  expect(await records.get(id)).toMatchObject({ state: "EXPIRED" });
  expect((await images.open(imageId, user)).image.id).toBe(imageId);
  clock.advance(2 * day);
  await sweeper.sweepJobs();
  await sweeper.sweepRetention();
  await expect(records.get(id)).rejects.toMatchObject({ code: "not_found" });
  await expect(images.open(imageId, user)).rejects.toMatchObject({ code: "not_found" });
});

test("a job without its input picture stays as it is, and does not keep others back", async () => {
  const { deadLetters, records, imageStore, ids, imageIds } = await openExpired(45);
  await imageStore.delete(imageIds[1] ?? "");
  const gone = { code: "failed_precondition", reason: "INPUT_PICTURE_GONE" };
  await expect(deadLetters.redrive("job", ids[1] ?? "")).rejects.toMatchObject(gone);
  expect(await records.get(ids[1] ?? "")).toMatchObject({ state: "EXPIRED", version: 3 });
  expect(await deadLetters.redriveAll(everything)).toEqual({ redriven: 44, skipped: 1, nextPageToken: "" });
  expect(await deadLetters.list({ ...everything, pageSize: 0 })).toMatchObject({ items: [{ job: { id: ids[1] } }] });
});

test("one call comes to a thousand, which it reads a hundred at a time", async () => {
  const { deadLetters, records } = await openCore();
  // Nobody's, so that they are skipped.
  const jobs = Array.from({ length: 1030 }, () => sampleJob({ state: "FAILED" }));
  await Promise.all(jobs.map((job) => records.store.insert(job)));
  const list = vi.spyOn(records.store, "listDead");
  const { nextPageToken: pageToken, ...first } = await deadLetters.redriveAll(everything);
  expect(first).toEqual({ redriven: 0, skipped: 1000 });
  // One more is read, which tells whether there are more.
  expect(list.mock.calls.map(([, limit]) => limit)).toEqual(Array(10).fill(101));
  const rest = { redriven: 0, skipped: 30, nextPageToken: "" };
  expect(await deadLetters.redriveAll({ ...everything, pageToken })).toEqual(rest);
});

test("while the database is away none of all is called skipped", async () => {
  const { deadLetters, jobs } = await openExpired(1);
  jobs.replace = () => Promise.reject(new StoreUnavailable());
  await expect(deadLetters.redriveAll(everything)).rejects.toBeInstanceOf(StoreUnavailable);
});

test("one of many redrives at once counts", async () => {
  const { deadLetters, drain, ids } = await openExpired(1);
  const all = await Promise.allSettled(Array.from({ length: 10 }, () => deadLetters.redrive("job", ids[0] ?? "")));
  expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const result of all) {
    if (result.status === "rejected") expect(result.reason).toMatchObject({ reason: "JOB_NOT_DEAD" });
  }
  expect(await drain()).toHaveLength(1);
});

test("while the queue is away, its dead letters cannot be asked for, and jobs are redriven all the same", async () => {
  const { deadLetters, resultQueue, records, ids } = await openExpired(1);
  const away = () => Promise.reject(new Error("ECONNREFUSED 192.0.2.1"));
  resultQueue.listDeadLetters = away;
  resultQueue.redrive = away;
  const unavailable = { code: "unavailable", reason: "QUEUE_UNAVAILABLE", retryAfterMs: 1000 };
  await expect(deadLetters.list({ ...everything, pageSize: 10 })).rejects.toMatchObject(unavailable);
  await expect(deadLetters.redrive("result", "1")).rejects.toMatchObject(unavailable);
  expect(await deadLetters.redriveAll({ source: "job", pageToken: "" })).toMatchObject({ redriven: 1 });
  expect(await records.get(ids[0] ?? "")).toMatchObject({ state: "QUEUED" });
});
