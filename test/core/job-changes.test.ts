import { describe, expect, test, vi } from "vitest";
import type { ImageJob, JobState } from "../../src/model/image-job.ts";
import { sampleJob } from "../contracts/samples.ts";
import { openJobs, type Process } from "./opened-jobs.ts";

async function stored(change: Partial<ImageJob> = {}) {
  const process = await openJobs();
  const job = sampleJob(change);
  await process.store.insert(job);
  const abort = new AbortController();
  const watch = (after: number, by: Process = process) => by.changes.watch(job.id, after, abort.signal);
  const progress = (value: number) => process.records.change(job.id, (now) => ({ ...now, progress: value }));
  const moveTo = (state: JobState) => process.records.change(job.id, (now) => ({ ...now, state }));
  return { ...process, job, abort, watch, progress, moveTo };
}

async function versionsOf(watching: AsyncIterable<ImageJob>): Promise<number[]> {
  const versions: number[] = [];
  for await (const { version } of watching) versions.push(version);
  return versions;
}

describe("watching a job", () => {
  test("begins with the job as it is and goes on with each change, to its end", async () => {
    const { job, watch, progress, moveTo } = await stored();
    const watching = watch(0);
    expect((await watching.next()).value).toStrictEqual(job);
    expect((await Promise.all([watching.next(), progress(0.5)]))[0].value).toMatchObject({ version: 2, progress: 0.5 });
    await moveTo("SUCCEEDED");
    expect((await watching.next()).value).toMatchObject({ version: 3, state: "SUCCEEDED" });
    expect(await watching.next()).toEqual({ done: true, value: undefined });
  });

  test("goes on after the version that the caller has", async () => {
    const { watch, progress } = await stored();
    await progress(0.1);
    const watching = watch(2);
    const next = watching.next();
    await progress(0.2);
    expect((await next).value).toMatchObject({ version: 3, progress: 0.2 });
    await watching.return(undefined);

    const behind = watch(1);
    expect((await behind.next()).value).toMatchObject({ version: 3 });
    await behind.return(undefined);
  });

  test("gives the newest only, when changes come faster than they are read", async () => {
    const { watch, progress, moveTo } = await stored();
    const watching = watch(0);
    await watching.next();
    for (let step = 1; step <= 10; step += 1) await progress(step / 10);
    expect((await watching.next()).value).toMatchObject({ version: 11, progress: 1 });
    await progress(0);
    await moveTo("FAILED");
    expect((await watching.next()).value).toMatchObject({ version: 13, state: "FAILED" });
    expect((await watching.next()).done).toBe(true);
  });

  test("never goes back to an older version", async () => {
    const { watch, job, changes, progress } = await stored();
    const watching = watch(0);
    await watching.next();
    const older = await progress(0.4);
    const changed = await progress(0.5);
    changes.publish(older);
    changes.publish(job);
    expect((await watching.next()).value).toStrictEqual(changed);
    changes.publish(changed);
    changes.publish(job);
    const next = watching.next();
    const last = await progress(0.6);
    expect((await next).value).toStrictEqual(last);
    await watching.return(undefined);
  });

  test.each(["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"] as const)(
    "gives a job that has ended %s once, whatever version the caller has",
    async (state) => {
      const { watch } = await stored({ state, version: 5 });
      for (const after of [0, 4, 5, 99]) expect(await versionsOf(watch(after))).toEqual([5]);
    },
  );

  test("ends at once when there is no such job", async () => {
    const { changes, abort } = await stored();
    expect(await versionsOf(changes.watch("missing", 0, abort.signal))).toEqual([]);
  });

  test("ends when it is aborted, before, while it waits, and with something to read", async () => {
    const { watch, abort, progress } = await stored();
    const waiting = watch(1).next();
    const full = watch(0);
    await full.next();
    await progress(0.5);
    const reading = watch(2).next();
    abort.abort();
    expect((await reading).done).toBe(true);
    expect((await full.next()).done).toBe(true);
    expect((await waiting).value).toMatchObject({ version: 2 });
    expect(await versionsOf(watch(0))).toEqual([]);
  });

  test("hears of what another process changed", async () => {
    const here = await stored();
    const there = await openJobs(here.path);
    const watching = here.watch(1, there);
    const next = watching.next();
    await here.progress(0.5);
    expect((await next).value).toMatchObject({ version: 2, progress: 0.5 });
    const last = watching.next();
    await here.moveTo("CANCELLED");
    expect((await last).value).toMatchObject({ version: 3, state: "CANCELLED" });
    expect((await watching.next()).done).toBe(true);
  });

  test("reads the jobs of many who watch in parts, between which others get their turn", async () => {
    const reads: string[] = [];
    const { store, changes } = await openJobs(undefined, (inner) => ({
      ...inner,
      getMany(ids) {
        reads.push(`${ids.length} jobs`);
        setImmediate(() => reads.push("others"));
        return inner.getMany(ids);
      },
    }));
    const abort = new AbortController();
    const jobs = Array.from({ length: 600 }, () => sampleJob());
    await Promise.all(jobs.map((job) => store.insert(job)));
    const watching = jobs.map(({ id }) => versionsOf(changes.watch(id, 1, abort.signal)));
    const parts = ["250 jobs", "others", "250 jobs", "others", "100 jobs", "others"];
    await vi.waitFor(() => expect(reads.slice(0, 6)).toEqual(parts), 20_000);
    abort.abort();
    await Promise.all(watching);
  });

  test("reads a job no more that nobody watches any more", async () => {
    const asked: (readonly string[])[] = [];
    const { store, changes } = await openJobs(undefined, (inner) => ({
      ...inner,
      getMany(ids) {
        asked.push(ids);
        return inner.getMany(ids);
      },
    }));
    const [left, watched] = [sampleJob(), sampleJob()];
    for (const job of [left, watched]) await store.insert(job);
    expect(await versionsOf(changes.watch(left.id, 0, AbortSignal.abort()))).toEqual([]);
    const abort = new AbortController();
    const watching = versionsOf(changes.watch(watched.id, 1, abort.signal));
    await vi.waitUntil(() => asked.length > 0, { timeout: 20_000 });
    expect(asked[0]).toEqual([watched.id]);
    abort.abort();
    await watching;
  });

  test("tells all who watch, each at its own pace", async () => {
    const { watch, progress, moveTo } = await stored();
    const all = Promise.all([versionsOf(watch(0)), versionsOf(watch(0)), versionsOf(watch(2))]);
    await progress(0.5);
    await moveTo("EXPIRED");
    for (const versions of await all) {
      expect(versions.at(-1)).toBe(3);
      expect([...versions].sort()).toEqual([...new Set(versions)]);
    }
  });
});
