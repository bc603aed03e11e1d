import { expect, test, vi } from "vitest";
import { triesMax } from "../../src/core/change-record.ts";
import { auditIdFrom } from "../../src/model/audit.ts";
import { cancel } from "../../src/model/job-life.ts";
import { dateOf } from "../../src/model/usage.ts";
import { StoreUnavailable } from "../../src/ports/store-errors.ts";
import { sampleFile, sampleImage, sampleJob, sampleSession } from "../contracts/samples.ts";
import { day, openCore } from "./opened-core.ts";
import { picture } from "./pictures.ts";

const minute = 60_000;

test("an upload that no job uses is gone after seven days, bytes and all", async () => {
  const core = await openCore();
  const { id } = await core.upload();
  core.clock.advance(7 * day - 1);
  await core.sweeper.sweepRetention();
  expect((await core.images.open(id, core.user)).image.id).toBe(id);
  core.clock.advance(1);
  await expect(core.images.open(id, core.user)).rejects.toMatchObject({ code: "not_found" });
  core.clock.advance(minute);
  await core.sweeper.sweepRetention();
  expect(await core.images.open(id, core.user).catch(({ code }) => code)).toBe("not_found");
  expect(await core.blobs.read(id)).toBeUndefined();
});

test("an upload that expired cannot become a job's input", async () => {
  const core = await openCore();
  const { id } = await core.upload();
  core.clock.advance(7 * day);
  await expect(core.submit({ imageId: id })).rejects.toMatchObject({ code: "not_found" });
});

test("a job's input lives as long as the job can be asked for", async () => {
  const core = await openCore();
  const { id, inputImageId } = await core.submit();
  await core.records.change(id, (job) => cancel(job, core.clock()));
  core.clock.advance(30 * day - 1);
  await core.sweeper.sweepRetention();
  await core.sweeper.sweepJobs();
  expect((await core.records.get(id)).state).toBe("CANCELLED");
  expect((await core.images.open(inputImageId, core.user)).image.id).toBe(inputImageId);
});

test("a job's input is kept to the end of an hour, so that the next jobs of the same picture write nothing for it", async () => {
  const core = await openCore();
  const job = await core.submit();
  const kept = await core.imageStore.get(job.inputImageId);
  expect((kept?.expiresAt ?? 0) % (60 * minute)).toBe(0);
  expect((kept?.expiresAt ?? 0) - (job.deadline + 30 * day)).toBeLessThan(60 * minute);
  const untilNext = (kept?.expiresAt ?? 0) - (job.deadline + 30 * day);
  core.clock.advance(untilNext);
  await core.submit({ imageId: job.inputImageId });
  expect(await core.imageStore.get(job.inputImageId)).toEqual(kept);
  core.clock.advance(1);
  await core.submit({ imageId: job.inputImageId });
  expect((await core.imageStore.get(job.inputImageId))?.expiresAt).toBe((kept?.expiresAt ?? 0) + 60 * minute);
});

test("a result is kept for thirty days", async () => {
  const core = await openCore();
  const { id } = await core.submit();
  const worker = { kind: "job", jobId: id, attempt: null, inputImageId: "", owner: core.user } as const;
  const { id: output } = await core.images.upload(once(await picture("png")), worker);
  core.results.start();
  const body = Buffer.from(JSON.stringify({ message_id: id, uuid_processed: output }));
  await core.resultQueue.send([{ id: "result", body }]);
  await vi.waitFor(async () => expect((await core.records.get(id)).state).toBe("SUCCEEDED"), { timeout: 20_000 });
  core.clock.advance(30 * day - 1);
  await core.sweeper.sweepRetention();
  expect((await core.images.open(output, core.user)).image.id).toBe(output);
  core.clock.advance(minute + 1);
  await core.sweeper.sweepRetention();
  expect(await core.blobs.read(output)).toBeUndefined();
});

test("failed tries, calls and audit events count for an hour, a day and a year, however many there are", async () => {
  const core = await openCore();
  const many = Array.from({ length: 101 }, (_, nth) => `id-${nth}`);
  const who = { action: "user.created", actor: "operator", target: "", address: "", requestId: "", reason: "" };
  const at = core.clock();
  await Promise.all([
    ...many.map((id) => core.attempts.insert({ id, failures: 1, lastAt: at, addresses: [], version: 1 })),
    ...many.map((id) => core.counters.add(id, 1, at, day)),
    ...many.map((id) => core.audit.append({ ...who, id: `${auditIdFrom(at)}-${id}`, at })),
  ]);
  const events = () => core.audit.list({ where: undefined, from: "", before: "~", limit: 102 });
  const isCounted = async (id: string) => (await core.counters.add(id, 1, core.clock(), 2 * day)).count > 1;
  const left = async () => ({
    tries: (await Promise.all(many.map((id) => core.attempts.get(id)))).filter(Boolean).length,
    events: (await events()).length,
  });
  const sweepAfter = async (ms: number) => {
    core.clock.advance(ms);
    await core.sweeper.sweepRetention();
  };
  await sweepAfter(60 * minute);
  expect(await left()).toEqual({ tries: 101, events: 101 });
  await sweepAfter(1);
  expect(await left()).toEqual({ tries: 0, events: 101 });
  await sweepAfter(day - 60 * minute - 1);
  expect(await isCounted("id-0")).toBe(true);
  await sweepAfter(1);
  expect(await isCounted("id-0")).toBe(false);
  await sweepAfter(364 * day - 1);
  expect(await left()).toMatchObject({ events: 101 });
  await sweepAfter(1);
  expect(await left()).toMatchObject({ events: 0 });
});

test("an ended job is deleted after thirty days, and its request_id may be used again", async () => {
  const core = await openCore();
  const { id } = await core.submit({ requestId: "once" });
  await core.records.change(id, (job) => cancel(job, core.clock()));
  core.clock.advance(30 * day);
  await core.sweeper.sweepJobs();
  await expect(core.records.get(id)).rejects.toMatchObject({ code: "not_found" });
  expect((await core.submit({ requestId: "once" })).id).not.toBe(id);
});

test("a job that is not done by its deadline expires", async () => {
  const core = await openCore();
  const { id } = await core.submit({ deadline: core.clock() + minute });
  await core.drain();
  core.clock.advance(minute);
  await core.sweeper.sweepJobs();
  expect(await core.records.get(id)).toMatchObject({ state: "EXPIRED", error: { reason: "DEADLINE_PASSED" } });
  expect(await core.drain()).toEqual([]);
});

test("a job that cannot be swept is named in the log, and holds up none of the others", async () => {
  const core = await openCore();
  const deadline = core.clock();
  const broken = sampleJob({ deadline: deadline - 1 });
  const others = Array.from({ length: 250 }, () => sampleJob({ deadline }));
  await Promise.all([broken, ...others].map((job) => core.jobs.insert(job)));
  const { replace } = core.jobs;
  core.jobs.replace = (job) => (job.id === broken.id ? Promise.reject(new Error("broken")) : replace(job));
  await core.sweeper.sweepJobs();
  const swept = await core.jobs.getMany(others.map(({ id }) => id));
  expect(new Set(swept.map(({ state }) => state))).toEqual(new Set(["EXPIRED"]));
  const named = { fields: { job: broken.id }, message: "sweeping failed; it is tried again" };
  // Not by each batch and each sweep, of which there are four in a second.
  await core.sweeper.sweepJobs();
  expect(core.log.lines).toMatchObject([named]);
  core.jobs.replace = replace;
  core.clock.advance(minute);
  await core.sweeper.sweepJobs();
  expect(await core.jobs.get(broken.id)).toMatchObject({ state: "EXPIRED" });
});

test("a job that takes no write is tried once a minute", async () => {
  const core = await openCore();
  const [open, ended] = [
    sampleJob({ deadline: core.clock() }),
    sampleJob({ state: "CANCELLED", endedAt: core.clock() - 30 * day }),
  ];
  await Promise.all([open, ended].map((job) => core.jobs.insert(job)));
  const [replace, remove] = [vi.fn(async () => false), vi.fn(async () => false)];
  Object.assign(core.jobs, { replace, delete: remove });
  const triesOf = async (sweeps: number) => {
    for (let left = sweeps; left > 0; left -= 1) await core.sweeper.sweepJobs();
    return [replace.mock.calls.length / triesMax, remove.mock.calls.length];
  };
  expect(await triesOf(5)).toEqual([1, 1]);
  core.clock.advance(minute - 1);
  expect(await triesOf(1)).toEqual([1, 1]);
  core.clock.advance(1);
  expect(await triesOf(5)).toEqual([2, 2]);
});

test("as many jobs as are swept at a time, none of which can be, hold up none of the others", async () => {
  const core = await openCore();
  const broken = Array.from({ length: 100 }, () => sampleJob({ deadline: core.clock() - 1 }));
  const other = sampleJob({ deadline: core.clock() });
  await Promise.all([...broken, other].map((job) => core.jobs.insert(job)));
  const { replace } = core.jobs;
  core.jobs.replace = (job) => (job.id === other.id ? replace(job) : Promise.reject(new Error("broken")));
  await core.sweeper.sweepJobs();
  await core.sweeper.sweepJobs();
  expect(await core.jobs.get(other.id)).toMatchObject({ state: "EXPIRED" });
});

test("a sweep ends where it can do nothing, and says nothing of a database that is away, which the log has already", async () => {
  const core = await openCore();
  const jobs = Array.from({ length: 150 }, () => sampleJob({ deadline: core.clock() - 1 }));
  await Promise.all(jobs.map((job) => core.jobs.insert(job)));
  core.jobs.replace = () => Promise.reject(new StoreUnavailable());
  await expect(core.sweeper.sweepJobs()).rejects.toThrow(StoreUnavailable);
  expect(core.log.lines).toEqual([]);
  let tries = 0;
  core.jobs.replace = () => {
    tries += 1;
    return Promise.reject(new Error(tries > 1000 ? "without end" : "broken"));
  };
  await core.sweeper.sweepJobs();
  expect(tries).toBe(100);
});

test("sessions are deleted once they have ended", async () => {
  const core = await openCore();
  const session = sampleSession({ expiresAt: core.clock() + day, idleAt: core.clock() + 2 * day });
  await core.sessions.insert(session);
  await core.sweeper.sweepRetention();
  expect(await core.sessions.get(session.id)).toEqual(session);
  core.clock.advance(day);
  await core.sweeper.sweepRetention();
  expect(await core.sessions.get(session.id)).toBeUndefined();
});

test("a file is gone after seven days, bytes and all, and its name is free", async () => {
  const core = await openCore();
  const store = () => core.files.store({ name: "notes.txt", chatId: undefined }, once("notes"), core.user);
  const id = await store();
  core.clock.advance(7 * day - 1);
  await core.sweeper.sweepRetention();
  expect((await core.files.open(id, core.user))?.file.name).toBe("notes.txt");
  core.clock.advance(1);
  expect(await core.files.open(id, core.user)).toBeUndefined();
  core.clock.advance(minute);
  await core.sweeper.sweepRetention();
  expect(await core.blobs.read(id)).toBeUndefined();
  expect(await store()).not.toBe(id);
});

test("a picture outlives the name that it was uploaded by, while a job uses it", async () => {
  const core = await openCore();
  const name = { name: "picture.png", chatId: undefined };
  const imageId = await core.files.store(name, once(await picture("png")), core.user);
  const job = await core.submit({ imageId });
  core.clock.advance(7 * day + minute);
  await core.sweeper.sweepRetention();
  expect(await core.fileStore.listByOwner(core.user.account.id, 9)).toEqual([]);
  expect((await core.images.open(job.inputImageId, core.user)).image.id).toBe(imageId);
});

test("a day's count is kept for 400 days", async () => {
  const core = await openCore();
  const userId = core.user.account.id;
  await core.usage.add({ userId, email: null, date: dateOf(core.clock()) }, 1, 1);
  core.clock.advance(400 * day);
  await core.sweeper.sweepRetention();
  expect(await core.usage.list(userId, "")).toHaveLength(1);
  core.clock.advance(day);
  await core.sweeper.sweepRetention();
  expect(await core.usage.list(userId, "")).toEqual([]);
});

test("what a broken-off upload left is swept", async () => {
  const core = await openCore();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10);
    throw new Error("the caller left");
  }
  await expect(core.images.upload(broken(), core.user)).rejects.toThrow("the caller left");
  core.clock.advance(60 * minute + minute);
  expect(await core.imageStore.expired(core.clock(), 9)).toEqual([]);
});

test("an upload that takes so long that it is swept fails", async () => {
  const core = await openCore();
  const { write } = core.blobs;
  core.blobs.write = async (id, bytes) => {
    await write(id, bytes);
    core.clock.advance(120 * minute);
    await core.images.sweep();
  };
  await expect(core.upload()).rejects.toThrow("swept before it was done");
});

test("a job is refused whose picture is swept while it is submitted", async () => {
  const core = await openCore();
  core.imageStore.keepUntil = async () => false;
  await expect(core.submit()).rejects.toMatchObject({ code: "not_found" });
});

test("what cannot be deleted, however much there is of it, keeps nothing else", async () => {
  const core = await openCore();
  const ids = { image: new Set<string>(), file: new Set<string>() };
  for (let left = 101; left > 0; left -= 1) {
    const [image, file] = [sampleImage({ expiresAt: 1 }), sampleFile({ expiresAt: 1 })];
    await Promise.all([core.imageStore.insert(image), core.fileStore.insert(file)]);
    ids.image.add(image.id);
    ids.file.add(file.id);
  }
  const late = { expiresAt: 2 };
  const [image, file, session] = [sampleImage(late), sampleFile(late), sampleSession(late)];
  await Promise.all([core.imageStore.insert(image), core.fileStore.insert(file), core.sessions.insert(session)]);
  const { delete: remove } = core.blobs;
  const refused = new Error("EACCES");
  core.blobs.delete = async (id) => {
    if (ids.image.has(id) || ids.file.has(id)) throw refused;
    await remove(id);
  };
  await expect(core.sweeper.sweepRetention()).rejects.toBe(refused);
  expect(await core.imageStore.get(image.id)).toBeUndefined();
  expect(await core.fileStore.get(file.id)).toBeUndefined();
  expect(await core.sessions.get(session.id)).toBeUndefined();
  core.blobs.delete = remove;
  await core.sweeper.sweepRetention();
  expect(await core.imageStore.expired(core.clock(), 9)).toEqual([]);
  expect(await core.fileStore.expired(core.clock(), 9)).toEqual([]);
});

test("a store that is away is not asked for each of the rest", async () => {
  const core = await openCore();
  for (let left = 3; left > 0; left -= 1) await core.imageStore.insert(sampleImage({ expiresAt: left }));
  let asked = 0;
  core.blobs.delete = async () => {
    asked += 1;
    throw new StoreUnavailable();
  };
  await expect(core.sweeper.sweepRetention()).rejects.toThrow(StoreUnavailable);
  expect(asked).toBe(1);
});

test("a deleted account's file that cannot be deleted keeps none of its other data", async () => {
  const core = await openCore();
  const { account } = core.user;
  await core.deleteUser();
  const [image, file] = [await core.upload(), sampleFile({ ownerId: account.id })];
  await core.fileStore.insert(file);
  const { delete: remove } = core.blobs;
  core.blobs.delete = async (id) => {
    if (id === file.id) throw new Error("EACCES");
    await remove(id);
  };
  await core.sweeper.sweepRetention();
  expect(await core.blobs.read(image.id)).toBeUndefined();
  expect(await core.fileStore.get(file.id)).toEqual(file);
  core.blobs.delete = remove;
  core.clock.advance(minute);
  await core.sweeper.sweepRetention();
  expect(await core.accounts.get(account.id)).toBeUndefined();
});

test("a stop leaves the rest of a sweep to the next process, and forgets no account whose data is left", async () => {
  const core = await openCore();
  for (let left = 2; left > 0; left -= 1) await core.upload();
  const account = await core.deleteUser();
  const expired = Array.from({ length: 3 }, () => sampleImage({ expiresAt: 1 }));
  const ended = Array.from({ length: 150 }, () => sampleSession({ expiresAt: 1 }));
  const late = Array.from({ length: 150 }, () => sampleJob({ deadline: core.clock() - 1 }));
  for (const image of expired) await core.imageStore.insert(image);
  await core.fileStore.insert(sampleFile({ expiresAt: 1 }));
  await Promise.all(ended.map((session) => core.sessions.insert(session)));
  await Promise.all(late.map((job) => core.jobs.insert(job)));
  core.clock.advance(minute);
  const stopped = Promise.withResolvers<void>();
  const { delete: remove } = core.blobs;
  core.blobs.delete = async (id) => {
    core.sweeper.stop().then(stopped.resolve, stopped.reject);
    await remove(id);
  };
  await core.sweeper.sweepRetention();
  await core.sweeper.sweepJobs();
  await stopped.promise;
  expect(await core.imageStore.listByOwner(account.id, 9)).toHaveLength(1);
  expect(await core.imageStore.expired(core.clock(), 9)).toHaveLength(3);
  expect(await core.fileStore.expired(core.clock(), 9)).toHaveLength(1);
  expect(await core.accounts.get(account.id)).toEqual(account);
  expect(await core.sessions.deleteEnded(core.clock(), 200)).toBe(50);
  const states = (await core.jobs.getMany(late.map(({ id }) => id))).map(({ state }) => state);
  expect(states.filter((state) => state === "EXPIRED")).toHaveLength(100);
  expect(core.log.lines).toEqual([]);
});

async function* once(bytes: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield Buffer.from(bytes);
}
