import { describe, expect, test } from "vitest";
import { type ImageJob, jobStates } from "../../src/model/image-job.ts";
import { dueAt } from "../../src/model/job-life.ts";
import type { Cursor } from "../../src/model/page.ts";
import type { JobStore } from "../../src/ports/job-store.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import type { Opened } from "./opened.ts";
import { atOnce, distinctKeys, growingNumbers, oddTexts, sampleJob, sampleTime } from "./samples.ts";

const now = sampleTime;
const keepMs = 1000;
const query = { ownerId: "owner", states: [], after: undefined, limit: 100 };

/** `open` is given when a job is due. */
export function jobStoreContract(
  name: string,
  open: (due: (job: ImageJob) => number) => Promise<Opened<JobStore>>,
): void {
  const opened = () => open((job) => dueAt(job, keepMs));

  async function filled(jobs: readonly ImageJob[]): Promise<JobStore> {
    const { store } = await opened();
    await Promise.all(jobs.map((job) => store.insert(job)));
    return store;
  }

  describe(`the job store: ${name}`, () => {
    test("gives a job back as it was", async () => {
      const { store, another } = await opened();
      const fresh = sampleJob();
      const ended = sampleJob({
        state: "FAILED",
        attempt: 3,
        progress: 0.1 + 0.2,
        promptGuidance: 0,
        strength: 5e-324,
        seed: 0,
        sent: true,
        error: { reason: "WORKER_LOST", message: "" },
        outputImageIds: ["b", "a", "b"],
        leaseUntil: now + 1,
        startedAt: now + 2,
        endedAt: now + 3,
        requestId: "request",
        version: 2 ** 31,
      });
      for (const job of [fresh, ended]) {
        await store.insert(job);
        for (const seen of [store, await another()]) {
          expect(await seen.get(job.id)).toStrictEqual(job);
          expect(await seen.findByRequestKey(job.requestKey)).toStrictEqual(job);
          expect(await seen.getMany([job.id])).toStrictEqual([job]);
        }
      }
    });

    test("keeps every text as it was", async () => {
      const { store } = await opened();
      for (const text of oddTexts) {
        const error = { reason: text, message: text };
        const job = sampleJob({ prompt: text, modelType: text, fingerprint: text, requestKey: text, error });
        await store.insert(job);
        expect(await store.get(job.id)).toStrictEqual(job);
        expect(await store.findByRequestKey(text)).toStrictEqual(job);
      }
    });

    test("keeps every number as it was", async () => {
      const { store } = await opened();
      for (const number of [...growingNumbers, 0.1 + 0.2, 1e-7, 7.5, 1e21, Number.MAX_VALUE, Number.EPSILON]) {
        const job = sampleJob({ promptGuidance: number, strength: -number || 0, progress: 1 / (number + 1) });
        await store.insert(job);
        expect(await store.get(job.id)).toStrictEqual(job);
      }
    });

    test("keeps what is null apart from what is not, in every write", async () => {
      const { store } = await opened();
      const empty = sampleJob({ error: null, startedAt: null, endedAt: null, leaseUntil: null, outputImageIds: [] });
      const error = { reason: "", message: "" };
      const full = { ...empty, error, startedAt: 0, endedAt: 0, leaseUntil: 0, outputImageIds: [""], version: 2 };
      await store.insert(empty);
      expect(await store.get(empty.id)).toStrictEqual(empty);
      await store.replace(full);
      expect(await store.get(empty.id)).toStrictEqual(full);
      await store.replace({ ...empty, version: 3 });
      expect(await store.get(empty.id)).toStrictEqual({ ...empty, version: 3 });
    });

    test("keeps a job as big as they get", async () => {
      const { store } = await opened();
      const ids = Array.from({ length: 4 }, (_, index) => `${index}`.repeat(64));
      const error = { reason: "R".repeat(64), message: "\u0001".repeat(2000) };
      const job = sampleJob({ prompt: "👩‍🚀".repeat(4000), outputImageIds: ids, error, requestKey: "k".repeat(200) });
      await store.insert(job);
      expect(await store.get(job.id)).toStrictEqual(job);
      const next = { ...job, prompt: "日".repeat(100_000), version: 2 };
      expect(await store.replace(next)).toBe(true);
      expect(await store.get(job.id)).toStrictEqual(next);
    });

    test("finds nothing for what is not there", async () => {
      const job = sampleJob({ id: "abc", requestKey: "owner/Request" });
      const store = await filled([job]);
      for (const text of ["", "nothing", "ABC", "$ne"]) expect(await store.get(text)).toBeUndefined();
      for (const text of ["", "abc", "owner/request"]) expect(await store.findByRequestKey(text)).toBeUndefined();
      expect(await store.getMany([])).toEqual([]);
      expect(await store.getMany(["", "ABC"])).toEqual([]);
    });

    test("compares request keys byte by byte", async () => {
      const jobs = distinctKeys.map((requestKey) => sampleJob({ requestKey }));
      const store = await filled(jobs);
      for (const job of jobs) expect((await store.findByRequestKey(job.requestKey))?.id).toBe(job.id);
    });

    test("reads many at once, those that exist, each once", async () => {
      const jobs = Array.from({ length: 30 }, () => sampleJob());
      const store = await filled(jobs);
      const wanted = jobs.slice(0, 20).map(({ id }) => id);
      const missing = Array.from({ length: 2000 }, (_, index) => `missing-${index}`);
      const found = await store.getMany([...missing, ...wanted, ...wanted]);
      expect(found.map(({ id }) => id).sort()).toEqual([...wanted].sort());
      expect(found).toContainEqual(jobs[0]);
    });

    test.each(["id", "requestKey"] as const)("refuses a taken %s and stores nothing", async (key) => {
      const first = sampleJob();
      const store = await filled([first]);
      const second = { ...sampleJob({ ownerId: "second" }), [key]: first[key] };
      await expect(store.insert(second)).rejects.toBeInstanceOf(DuplicateKey);
      expect(await store.get(first.id)).toStrictEqual(first);
      expect(await store.findByRequestKey(first.requestKey)).toStrictEqual(first);
      expect(await store.list({ ...query, ownerId: "second" })).toEqual([]);
      expect(await store.due(Number.MAX_SAFE_INTEGER, 10)).toHaveLength(1);
    });

    test("stores one of many jobs that come at once under one request key", async () => {
      const { store, another } = await opened();
      const stores = [store, await another()] as const;
      const jobs = Array.from({ length: 20 }, () => sampleJob({ requestKey: "owner/once" }));
      const settled = await Promise.allSettled(jobs.map((job, index) => stores[index % 2 === 0 ? 0 : 1].insert(job)));
      const winners = jobs.filter((_, index) => settled[index]?.status === "fulfilled");
      expect(winners).toHaveLength(1);
      for (const result of settled) {
        if (result.status === "rejected") expect(result.reason).toBeInstanceOf(DuplicateKey);
      }
      expect(await store.getMany(jobs.map(({ id }) => id))).toStrictEqual(winners);
    });

    test("replaces only the version before", async () => {
      const job = sampleJob({ version: 3 });
      const store = await filled([job]);
      for (const version of [1, 2, 3, 5, 6]) {
        expect(await store.replace({ ...job, version, state: "FAILED", endedAt: now })).toBe(false);
        expect(await store.get(job.id)).toStrictEqual(job);
      }
      const next: ImageJob = {
        ...job,
        version: 4,
        state: "RUNNING",
        attempt: 1,
        leaseUntil: now + 5,
        operation: "next",
      };
      expect(await store.replace(next)).toBe(true);
      expect(await store.get(job.id)).toStrictEqual(next);
      expect(await store.replace(next)).toBe(false);
    });

    test("replaces nothing that is not there", async () => {
      const { store } = await opened();
      const job = sampleJob({ version: 2 });
      expect(await store.replace(job)).toBe(false);
      expect(await store.get(job.id)).toBeUndefined();
      expect(await store.list(query)).toEqual([]);
    });

    test("lets one of 100 writers of the same version win", async () => {
      const { store, another } = await opened();
      const stores = [store, await another()] as const;
      const job = sampleJob();
      await store.insert(job);
      const won = await atOnce(100, (index) =>
        stores[index % 2 === 0 ? 0 : 1].replace({ ...job, version: 2, operation: `writer ${index}` }),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await store.get(job.id))?.operation).toBe(`writer ${won.indexOf(true)}`);
    });

    test("deletes only the version that it is told", async () => {
      const job = sampleJob({ version: 2 });
      const store = await filled([job]);
      expect(await store.delete(job.id, 1)).toBe(false);
      expect(await store.delete(job.id, 3)).toBe(false);
      expect(await store.delete("other", 2)).toBe(false);
      expect(await store.get(job.id)).toStrictEqual(job);
      expect(await store.delete(job.id, 2)).toBe(true);
      expect(await store.delete(job.id, 2)).toBe(false);
      expect(await store.get(job.id)).toBeUndefined();
      expect(await store.findByRequestKey(job.requestKey)).toBeUndefined();
      expect(await store.list(query)).toEqual([]);
      await store.insert(job);
      expect(await store.get(job.id)).toStrictEqual(job);
    });

    test("lets either a replace or a delete of the same version win", async () => {
      const { store, another } = await opened();
      const other = await another();
      for (let round = 0; round < 10; round += 1) {
        const job = sampleJob();
        await store.insert(job);
        const won = await Promise.all([store.replace({ ...job, version: 2 }), other.delete(job.id, 1)]);
        expect(won.filter(Boolean)).toHaveLength(1);
        expect((await store.get(job.id))?.version).toBe(won[0] ? 2 : undefined);
      }
    });

    test("lists an owner's jobs, newest first, and by id where they are as new", async () => {
      const store = await filled([
        sampleJob({ id: "b", createdAt: now }),
        sampleJob({ id: "a", createdAt: now + 1 }),
        sampleJob({ id: "C", createdAt: now }),
        sampleJob({ id: "c", createdAt: now }),
        sampleJob({ id: "_", createdAt: now }),
        sampleJob({ id: "9", createdAt: now }),
        sampleJob({ id: "z", createdAt: now - 1 }),
        sampleJob({ id: "other", ownerId: "Owner" }),
        sampleJob({ id: "another", ownerId: "" }),
      ]);
      expect(idsOf(await store.list(query))).toEqual(["a", "c", "b", "_", "C", "9", "z"]);
      expect(idsOf(await store.list({ ...query, limit: 2 }))).toEqual(["a", "c"]);
      expect(idsOf(await store.list({ ...query, ownerId: "Owner" }))).toEqual(["other"]);
      expect(idsOf(await store.list({ ...query, ownerId: "nobody" }))).toEqual([]);
    });

    test("lists by numbers, however big, and pages on by them", async () => {
      const store = await filled(growingNumbers.map((createdAt) => sampleJob({ id: `at-${createdAt}`, createdAt })));
      const order = growingNumbers.map((createdAt) => `at-${createdAt}`).reverse();
      expect(idsOf(await store.list(query))).toEqual(order);
      for (const [index, createdAt] of growingNumbers.entries()) {
        const after = { createdAt, id: `at-${createdAt}` };
        expect(idsOf(await store.list({ ...query, after }))).toEqual(order.slice(growingNumbers.length - index));
      }
    });

    test("lists the states it is asked for, as they are now", async () => {
      const jobs = jobStates.flatMap((state, index) => [
        sampleJob({ id: `${state}-old`, state, createdAt: now + index }),
        sampleJob({ id: `${state}-new`, state, createdAt: now + 100 + index }),
      ]);
      const store = await filled(jobs);
      expect(await store.list(query)).toHaveLength(12);
      expect(await store.list({ ...query, states: jobStates })).toHaveLength(12);
      for (const state of jobStates) {
        expect(idsOf(await store.list({ ...query, states: [state] }))).toEqual([`${state}-new`, `${state}-old`]);
      }
      const some = { ...query, states: ["EXPIRED", "QUEUED", "FAILED"] as const };
      const inOrder = ["EXPIRED-new", "FAILED-new", "QUEUED-new", "EXPIRED-old", "FAILED-old", "QUEUED-old"];
      expect(idsOf(await store.list(some))).toEqual(inOrder);
      expect(idsOf(await store.list({ ...some, limit: 4 }))).toEqual(inOrder.slice(0, 4));

      const moved = jobs.find(({ id }) => id === "QUEUED-new") ?? sampleJob();
      await store.replace({ ...moved, state: "RUNNING", version: 2 });
      expect(idsOf(await store.list({ ...query, states: ["QUEUED"] }))).toEqual(["QUEUED-old"]);
      expect(await store.list({ ...query, states: ["RUNNING"] })).toHaveLength(3);
    });

    test.each([
      { states: [], each: 1 },
      { states: [], each: 3 },
      { states: ["QUEUED", "RUNNING"], each: 2 },
      { states: ["RUNNING"], each: 4 },
    ] as const)("pages over ties without loss or repetition: $states, $each at a time", async ({ states, each }) => {
      const jobs = Array.from({ length: 24 }, (_, index) =>
        sampleJob({ createdAt: now + Math.floor(index / 8), state: jobStates[index % 3] ?? "QUEUED" }),
      );
      const store = await filled(jobs);
      const wanted = states.length === 0 ? jobs : jobs.filter(({ state }) => states.some((one) => one === state));
      const paged: ImageJob[] = [];
      for (let after: Cursor | undefined; ; ) {
        const page = await store.list({ ...query, states, after, limit: each });
        paged.push(...page);
        after = page.at(-1);
        if (page.length < each) break;
      }
      expect(idsOf(paged)).toEqual(idsOf([...wanted].sort(newestFirst)));
    });

    test("pages on after a job that is gone, and shows none that came meanwhile", async () => {
      const jobs = ["a", "b", "c", "d"].map((id) => sampleJob({ id, createdAt: now }));
      const store = await filled(jobs);
      await store.delete("c", 1);
      await store.insert(sampleJob({ id: "new", createdAt: now + 1 }));
      expect(idsOf(await store.list({ ...query, after: { createdAt: now, id: "c" } }))).toEqual(["b", "a"]);
    });

    test("lists everybody's dead jobs, newest first, as they are now", async () => {
      const jobs = jobStates.flatMap((state, index) => [
        sampleJob({ id: `${state}-old`, ownerId: "one", state, createdAt: now - index }),
        sampleJob({ id: `${state}-new`, ownerId: "another", state, createdAt: now + 100 - index }),
      ]);
      const { store, another } = await opened();
      await Promise.all(jobs.map((job) => store.insert(job)));
      const dead = ["FAILED-new", "EXPIRED-new", "FAILED-old", "EXPIRED-old"];
      for (const seen of [store, await another()]) expect(idsOf(await seen.listDead(undefined, 100))).toEqual(dead);
      expect(await store.listDead(undefined, 1)).toStrictEqual(jobs.filter(({ id }) => id === "FAILED-new"));

      const version = 2;
      const [queued, failed] = ["QUEUED-new", "FAILED-new"].map((wanted) => jobs.find(({ id }) => id === wanted));
      await store.replace({ ...(queued ?? sampleJob()), state: "EXPIRED", endedAt: now, version });
      await store.replace({ ...(failed ?? sampleJob()), state: "QUEUED", endedAt: null, version });
      await store.delete("FAILED-old", 1);
      expect(idsOf(await store.listDead(undefined, 100))).toEqual(["QUEUED-new", "EXPIRED-new", "EXPIRED-old"]);
    });

    test("pages over dead jobs without loss or repetition, and on after one that is gone", async () => {
      const jobs = Array.from({ length: 12 }, (_, index) =>
        sampleJob({ createdAt: now + Math.floor(index / 4), state: index % 2 === 0 ? "FAILED" : "EXPIRED" }),
      );
      const store = await filled([...jobs, sampleJob({ createdAt: now }), sampleJob({ state: "SUCCEEDED" })]);
      const order = idsOf([...jobs].sort(newestFirst));
      const paged: ImageJob[] = [];
      for (let after: Cursor | undefined; ; ) {
        const page = await store.listDead(after, 5);
        paged.push(...page);
        after = page.at(-1);
        if (page.length < 5) break;
        await store.delete(after?.id ?? "", 1);
      }
      expect(idsOf(paged)).toEqual(order);
    });

    test("tells which jobs are due, the longest due first", async () => {
      const store = await filled([
        sampleJob({ id: "queued", dispatchAt: now - 3 }),
        sampleJob({ id: "running", state: "RUNNING", leaseUntil: now - 5, dispatchAt: now - 100 }),
        sampleJob({ id: "deadline", dispatchAt: now + 100, deadline: now - 1 }),
        sampleJob({ id: "unclaimed", state: "RUNNING", leaseUntil: null, deadline: now - 2 }),
        sampleJob({ id: "kept", state: "SUCCEEDED", endedAt: now - keepMs - 4, deadline: 0, dispatchAt: 0 }),
        sampleJob({ id: "just", dispatchAt: now }),
        sampleJob({ id: "soon", dispatchAt: now + 1 }),
        sampleJob({ id: "leased", state: "RUNNING", leaseUntil: now + 2, dispatchAt: now - 9 }),
        sampleJob({ id: "young", state: "CANCELLED", endedAt: now - keepMs + 3, deadline: 0, dispatchAt: 0 }),
      ]);
      const order = ["running", "kept", "queued", "unclaimed", "deadline", "just"];
      expect(idsOf(await store.due(now, 100))).toEqual(order);
      expect(idsOf(await store.due(now, 3))).toEqual(order.slice(0, 3));
      expect(idsOf(await store.due(now + 3, 100))).toEqual([...order, "soon", "leased", "young"]);
      expect(await store.due(now - 6, 100)).toEqual([]);
    });

    test("orders what is due by numbers, however big", async () => {
      const dispatches = [...growingNumbers].reverse();
      const deadline = Number.MAX_SAFE_INTEGER;
      const store = await filled(dispatches.map((dispatchAt) => sampleJob({ dispatchAt, deadline })));
      const due = await store.due(Number.MAX_SAFE_INTEGER, 100);
      expect(due.map(({ dispatchAt }) => dispatchAt)).toEqual(growingNumbers);
      expect(await store.due(2 ** 31, 100)).toHaveLength(growingNumbers.indexOf(2 ** 31) + 1);
    });

    test("knows when a job is due as the last replace left it", async () => {
      const [later, sooner] = [sampleJob({ dispatchAt: now }), sampleJob({ dispatchAt: now + 9999 })];
      const store = await filled([later, sooner]);
      await store.replace({ ...later, dispatchAt: now + 1, version: 2 });
      const running: ImageJob = { ...sooner, state: "RUNNING", leaseUntil: now - 1, version: 2 };
      await store.replace(running);
      expect(await store.due(now, 10)).toStrictEqual([running]);
    });

    test("comes to all that are due at the same moment, a few at a time", async () => {
      const store = await filled(Array.from({ length: 5 }, () => sampleJob({ dispatchAt: now })));
      const seen = new Set<string>();
      for (const expected of [2, 2, 1, 0]) {
        const due = await store.due(now, 2);
        expect(due).toHaveLength(expected);
        for (const job of due) {
          seen.add(job.id);
          expect(await store.replace({ ...job, dispatchAt: now + 1, version: 2 })).toBe(true);
        }
      }
      expect(seen.size).toBe(5);
    });
  });
}

function idsOf(jobs: readonly ImageJob[]): string[] {
  return jobs.map(({ id }) => id);
}

function newestFirst(a: ImageJob, b: ImageJob): number {
  return b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1);
}
