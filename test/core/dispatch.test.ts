import { describe, expect, test, vi } from "vitest";
import type { Queues } from "../../src/app/backends.ts";
import { claim } from "../../src/model/job-life.ts";
import { decodeJob, type JobMessage } from "../../src/model/queue-messages.ts";
import { type Queue, sendMaxBytes } from "../../src/ports/queue.ts";
import { openCore, timing } from "./opened-core.ts";

/** The use cases with a job queue that sends by `send`, which is given the real queue too. */
function openSending(send: (messages: Parameters<Queue["send"]>[0], queue: Queue) => Promise<void>) {
  return openCore((queues: Queues) => ({
    ...queues,
    jobQueue: { ...queues.jobQueue, send: (messages) => send(messages, queues.jobQueue) },
  }));
}

describe("a submitted job", () => {
  test("is published once, and noted as sent", async () => {
    const core = await openCore();
    const { id } = await core.submit();
    expect((await core.drain()).map(({ message_id, dispatch }) => [message_id, dispatch])).toEqual([[id, 1]]);
    expect(await core.records.get(id)).toMatchObject({ sent: true, dispatch: 1 });
    core.clock.advance(59_000);
    await core.sweeper.sweepJobs();
    expect(await core.drain()).toEqual([]);
  });

  test("is noted after a moment, like each that follows, and a stop waits for the note", async () => {
    const core = await openCore();
    const isNoted = async (id: string) => (await core.records.get(id)).sent;
    for (let nth = 1; nth <= 2; nth += 1) {
      const { id } = await core.submit();
      await vi.waitUntil(() => isNoted(id), { timeout: 20_000 });
    }
    const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { getMany } = core.jobs;
    core.jobs.getMany = async (ids) => {
      asked.resolve();
      await gate.promise;
      return getMany(ids);
    };
    const { id } = await core.submit();
    await asked.promise;
    const stopped = core.dispatcher.idle().then(() => isNoted(id));
    await new Promise(setImmediate);
    gate.resolve();
    expect(await stopped).toBe(true);
  });

  test("that could not be noted is sent again under the same number, and the log says so", async () => {
    const core = await openCore();
    const { getMany } = core.jobs;
    const err = new Error("away");
    core.jobs.getMany = () => Promise.reject(err);
    await core.submit();
    const first = await core.drain();
    const message = "jobs could not be noted as sent; they will be sent again";
    expect(core.log.lines).toEqual([{ level: "warn", fields: { err, jobs: 1 }, message }]);
    core.jobs.getMany = getMany;
    core.clock.advance(timing.publishMs);
    await core.sweeper.sweepJobs();
    expect(first).toHaveLength(1);
    expect(await core.drain()).toMatchObject(first.map(({ message_id, dispatch }) => ({ message_id, dispatch })));
  });

  test("needs no note once a worker has it", async () => {
    const core = await openCore();
    const { id, version } = await core.submit();
    await core.records.change(id, (job) => claim(job, 1, core.clock(), timing));
    await core.dispatcher.idle();
    expect(await core.records.get(id)).toMatchObject({ state: "RUNNING", sent: false, version: version + 1 });
  });

  test("is sent again while nobody claims it, with doubling delay", async () => {
    const core = await openCore();
    await core.submit();
    await core.drain();
    for (const [wait, dispatch] of [
      [60_000, 2],
      [120_000, 3],
      [240_000, 4],
    ] as const) {
      core.clock.advance(wait - 1);
      await core.sweeper.sweepJobs();
      expect(await core.drain()).toEqual([]);
      core.clock.advance(1);
      await core.sweeper.sweepJobs();
      expect((await core.drain()).map((message) => message.dispatch)).toEqual([dispatch]);
    }
  });

  test("is sent again each four minutes where a worker may leave it to others", async () => {
    const core = await openCore();
    await core.submit({ modelType: "upscale-2x" });
    await core.drain();
    const sent: number[] = [];
    for (const wait of [1, 2, 4, 4, 4]) {
      core.clock.advance(wait * 60_000);
      await core.sweeper.sweepJobs();
      sent.push(...(await core.drain()).map(({ dispatch }) => dispatch));
    }
    expect(sent).toEqual([2, 3, 4, 5, 6]);
  });

  test("that was sent again is claimed by the message that comes first, and the others count no more", async () => {
    const core = await openCore();
    const { id } = await core.submit();
    await core.dispatcher.idle();
    core.clock.advance(60_000);
    await core.sweeper.sweepJobs();
    const sent = (await core.drain()).map(({ dispatch }) => dispatch);
    expect(sent).toEqual([1, 2]);
    const by = (dispatch: number) =>
      core.records.change(id, (job) => claim(job, dispatch, core.clock(), { ...timing, leaseMs: 3_600_000 }));
    expect(await by(1)).toMatchObject({ state: "RUNNING", attempt: 1 });
    await expect(by(2)).rejects.toMatchObject({ reason: "DISPATCH_SUPERSEDED" });
    await expect(by(1)).rejects.toMatchObject({ reason: "LEASE_HELD" });
  });

  test("is sent again after an hour where workers may never claim", async () => {
    const core = await openCore();
    await core.submit({ modelType: "sd" });
    await core.drain();
    for (const dispatch of [2, 3]) {
      core.clock.advance(3_600_000 - 1);
      await core.sweeper.sweepJobs();
      expect(await core.drain()).toEqual([]);
      core.clock.advance(1);
      await core.sweeper.sweepJobs();
      expect((await core.drain()).map((message) => message.dispatch)).toEqual([dispatch]);
    }
  });

  test("is not sent again once it was claimed", async () => {
    const core = await openCore();
    const { id } = await core.submit();
    await core.drain();
    await core.records.change(id, (job) => claim(job, 1, core.clock(), { ...timing, leaseMs: 3_600_000 }));
    core.clock.advance(600_000);
    await core.sweeper.sweepJobs();
    expect(await core.drain()).toEqual([]);
  });
});

test("while the broker is away submits are accepted, and go out under the same number when it is back", async () => {
  let isAway = true;
  const core = await openSending((messages, queue) =>
    isAway ? Promise.reject(new Error("away")) : queue.send(messages),
  );
  const { id } = await core.submit();
  await core.dispatcher.idle();
  expect(await core.records.get(id)).toMatchObject({ state: "QUEUED", sent: false });
  core.clock.advance(10_000);
  await core.sweeper.sweepJobs();
  expect(await core.drain()).toEqual([]);
  isAway = false;
  core.clock.advance(10_000);
  await core.sweeper.sweepJobs();
  expect((await core.drain()).map(({ message_id, dispatch }) => [message_id, dispatch])).toEqual([[id, 1]]);
});

test("a queue that is away is tried once for all jobs that wait for it, and holds up no others", async () => {
  const sends: string[] = [];
  let isAway = false;
  const core = await openSending(async (messages) => {
    sends.push(...messages.map(({ body }) => decodeJob(body).model_type));
    if (isAway && messages.some(({ body }) => decodeJob(body).model_type === "studio")) throw new Error("away");
  });
  const [studio, other] = [await core.submit(), await core.submit({ modelType: "sd" })];
  await core.dispatcher.idle();
  sends.length = 0;
  isAway = true;
  for (let left = 300; left > 0; left -= 1) core.dispatcher.dispatch(studio);
  core.dispatcher.dispatch(other);
  await core.dispatcher.idle();
  // The first goes alone, and what came meanwhile a hundred at a time.
  expect(sends).toEqual(["studio", "sd"]);
  expect(core.log.lines.at(-1)).toMatchObject({ level: "warn", fields: { jobs: 300 } });
});

test("jobs that wait together go out in sends that a queue takes, none left behind", async () => {
  let isAway = true;
  const sends: number[] = [];
  const core = await openSending(async (messages, queue) => {
    if (isAway) throw new Error("away");
    sends.push(messages.reduce((bytes, { body }) => bytes + body.length, 0));
    return queue.send(messages);
  });
  const ids: string[] = [];
  for (let left = 35; left > 0; left -= 1) ids.push((await core.submit({ prompt: "字".repeat(4000) })).id);
  await core.dispatcher.idle();
  isAway = false;
  core.clock.advance(10_000);
  await core.sweeper.sweepJobs();
  const published: JobMessage[] = [];
  while (published.length < ids.length) published.push(...(await core.drain()));
  expect(published.map(({ message_id }) => message_id).sort()).toEqual(ids.sort());
  expect(sends.length).toBeGreaterThan(1);
  expect(Math.max(...sends)).toBeLessThanOrEqual(sendMaxBytes);
});

test("jobs that a queue took before it went away are not among those that the log says could not be published", async () => {
  let taken = 0;
  let sends = 0;
  const core = await openSending(async (messages) => {
    sends += 1;
    if (sends > 3) throw new Error("away");
    taken += messages.length;
  });
  const job = await core.submit({ prompt: "字".repeat(4000) });
  await core.dispatcher.idle();
  const handed = 40;
  for (let left = handed; left > 0; left -= 1) core.dispatcher.dispatch(job);
  await core.dispatcher.idle();
  expect(taken).toBeGreaterThan(2);
  const jobs = 1 + handed - taken;
  expect(core.log.lines.at(-1)).toMatchObject({ level: "warn", fields: { jobs } });
});

test("a queue that is away has one line in the log, and not one for each job that comes", async () => {
  const core = await openSending(() => Promise.reject(new Error("away")));
  for (let jobs = 3; jobs > 0; jobs -= 1) {
    await core.submit();
    await core.dispatcher.idle();
  }
  expect(core.log.lines.filter(({ level }) => level === "warn")).toMatchObject([{ fields: { jobs: 1 } }]);
});

test("a job that is handed over just as the one before is sent goes out at once", async () => {
  let sent = 0;
  const core = await openSending(async (messages) => {
    sent += messages.length;
  });
  const job = await core.submit();
  await core.dispatcher.idle();
  for (let steps = 0; steps < 20; steps += 1) {
    sent = 0;
    core.dispatcher.dispatch(job);
    for (let left = steps; left > 0; left -= 1) await null;
    core.dispatcher.dispatch(job);
    await core.dispatcher.idle();
    expect(sent).toBe(2);
  }
});

test("while a queue is slow a thousand jobs wait for it, and the others in the database alone", async () => {
  const taking = Promise.withResolvers<void>();
  let sent = 0;
  const core = await openSending(async (messages) => {
    await taking.promise;
    sent += messages.length;
  });
  const job = await core.submit();
  for (let left = 2000; left > 0; left -= 1) core.dispatcher.dispatch(job);
  taking.resolve();
  await core.dispatcher.idle();
  // One is on its way already.
  expect(sent).toBe(1001);
});

test("a result that is none is put aside with the reason, which the log has too", async () => {
  const core = await openCore();
  await core.resultQueue.send([{ id: "strange", body: Buffer.from("no result") }]);
  core.results.start();
  const listed = () => core.resultQueue.listDeadLetters(undefined, 9);
  await vi.waitUntil(async () => (await listed()).length > 0, { timeout: 20_000 });
  const [letter] = await listed();
  expect(letter).toMatchObject({ id: "strange", reason: "Malformed" });
  const fields = { message_id: "strange", reason: letter?.description };
  expect(core.log.lines).toEqual([{ level: "warn", fields, message: "a malformed message was put aside" }]);
});

describe("a job that the queue gave up on", () => {
  const giveUp = { kind: "deadLetter", reason: "MaxDeliveryCountExceeded", description: "" } as const;

  test("fails, with the reason", async () => {
    const core = await openCore();
    const { id } = await core.submit();
    await core.drain(giveUp);
    core.results.start();
    await vi.waitFor(async () => expect(await core.records.get(id)).toMatchObject({ state: "FAILED" }));
    expect((await core.records.get(id)).error).toMatchObject({ reason: "DELIVERED_TOO_OFTEN" });
  });

  test("lives on when that was not its newest message", async () => {
    const core = await openCore();
    const { id } = await core.submit();
    await core.drain(giveUp);
    core.clock.advance(60_000);
    await core.sweeper.sweepJobs();
    expect((await core.drain()).map((message) => message.dispatch)).toEqual([2]);
    const other = await core.submit();
    await core.drain(giveUp);
    core.results.start();
    // Dead letters are read in order: once the other job has failed, this one's was read too.
    await vi.waitFor(async () => expect((await core.records.get(other.id)).state).toBe("FAILED"));
    expect((await core.records.get(id)).state).toBe("QUEUED");
  });

  test("is deleted when it is none, and the log says where it was", async () => {
    const core = await openCore();
    await core.jobQueue.send([{ id: "strange", body: Buffer.from("no job") }]);
    const consumer = core.jobQueue.consume(async () => giveUp, { concurrency: 1 });
    await consumer.stop();
    core.results.start();
    await vi.waitFor(async () => expect(await core.jobQueue.listDeadLetters(undefined, 9)).toEqual([]));
    const fields = { queue: "darkroom-jobs", message_id: "strange", reason: expect.any(String) };
    const message = "a malformed message was deleted from a queue's dead letters";
    expect(core.log.lines).toContainEqual({ level: "warn", fields, message });
    expect(core.log.lines).not.toContainEqual(
      expect.objectContaining({ message: "a malformed message was put aside" }),
    );
  });
});
