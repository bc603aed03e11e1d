import { describe, expect, test } from "vitest";
import { DomainError } from "../../src/model/errors.ts";
import { type ImageJob, type JobState, jobStates } from "../../src/model/image-job.ts";
import {
  age,
  bury,
  cancel,
  claim,
  confirmPublished,
  dueAt,
  finish,
  heartbeat,
  moves,
  redrive,
} from "../../src/model/job-life.ts";
import { sampleJob, sampleTime, sampleTiming as timing } from "../contracts/samples.ts";
import { thrownBy } from "./thrown.ts";

const now = sampleTime + 1000;
const error = { reason: "ENGINE_FAILED", message: "the engine failed" };
const succeeded = { kind: "succeeded", imageIds: ["picture"] } as const;
const failed = { kind: "failed", error, retryable: false } as const;
const retryable = { kind: "failed", error, retryable: true } as const;

/** Its second attempt, third dispatch, sent, with nothing due; the second one has its place in the queue, or claimed it. */
function jobIn(state: JobState, change: Partial<ImageJob> = {}): ImageJob {
  const isRunning = state === "RUNNING";
  const isEnded = state !== "QUEUED" && !isRunning;
  return sampleJob({
    state,
    attempt: 2,
    dispatch: 3,
    oldestDispatch: 2,
    sent: true,
    progress: isRunning ? 0.5 : 0,
    dispatchAt: now + 10_000,
    leaseUntil: isRunning ? now + 10_000 : null,
    startedAt: isRunning ? now - 10 : null,
    endedAt: isEnded ? now - 5 : null,
    ...change,
  });
}

type Event = (job: ImageJob) => ImageJob;

const lastAttempt = (job: ImageJob) => ({ ...job, attempt: job.attemptLimit });
const pastDeadline = (job: ImageJob) => ({ ...job, deadline: now });

/** For each state what the event does: a state it moves to, "ignored", "changed" within its state, or why it is refused. */
const table: Record<string, [event: Event, outcomes: Record<JobState, string>]> = {
  "a claim by the newest message": [
    (job) => claim(job, 3, now, timing),
    { QUEUED: "RUNNING", RUNNING: "DISPATCH_SUPERSEDED", ...ended("JOB_ENDED") },
  ],
  "a claim by the message that was sent first": [
    (job) => claim(job, 2, now, timing),
    { QUEUED: "RUNNING", RUNNING: "LEASE_HELD", ...ended("JOB_ENDED") },
  ],
  "a claim by a message from before it was queued again": [
    (job) => claim(job, 1, now, timing),
    { QUEUED: "DISPATCH_SUPERSEDED", RUNNING: "DISPATCH_SUPERSEDED", ...ended("JOB_ENDED") },
  ],
  "a claim by a message that is not sent yet": [
    (job) => claim(job, 4, now, timing),
    { QUEUED: "DISPATCH_SUPERSEDED", RUNNING: "DISPATCH_SUPERSEDED", ...ended("JOB_ENDED") },
  ],
  "a claim after the deadline": [
    (job) => claim(pastDeadline(job), 3, now, timing),
    { QUEUED: "JOB_ENDED", RUNNING: "JOB_ENDED", ...ended("JOB_ENDED") },
  ],
  "a heartbeat of the current attempt": [
    (job) => heartbeat(job, 2, 0.7, now, timing),
    { QUEUED: "LEASE_LOST", RUNNING: "changed", ...ended("JOB_ENDED") },
  ],
  "a heartbeat of an older attempt": [
    (job) => heartbeat(job, 1, 0.7, now, timing),
    { QUEUED: "LEASE_LOST", RUNNING: "LEASE_LOST", ...ended("JOB_ENDED") },
  ],
  "a heartbeat after the deadline": [
    (job) => heartbeat(pastDeadline(job), 2, 0.7, now, timing),
    { QUEUED: "JOB_ENDED", RUNNING: "JOB_ENDED", ...ended("JOB_ENDED") },
  ],
  "a success of the current attempt": [
    (job) => finish(job, 2, succeeded, now),
    { QUEUED: "ignored", RUNNING: "SUCCEEDED", ...ended("ignored") },
  ],
  "a success of an older attempt": [
    (job) => finish(job, 1, succeeded, now),
    { QUEUED: "ignored", RUNNING: "ignored", ...ended("ignored") },
  ],
  "a success of an attempt there was not yet": [
    (job) => finish(job, 3, succeeded, now),
    { QUEUED: "ignored", RUNNING: "ignored", ...ended("ignored") },
  ],
  "a success without an attempt": [
    (job) => finish(job, null, succeeded, now),
    { QUEUED: "SUCCEEDED", RUNNING: "SUCCEEDED", ...ended("ignored") },
  ],
  "a final failure of the current attempt": [
    (job) => finish(job, 2, failed, now),
    { QUEUED: "ignored", RUNNING: "FAILED", ...ended("ignored") },
  ],
  "a final failure without an attempt": [
    (job) => finish(job, null, failed, now),
    { QUEUED: "FAILED", RUNNING: "FAILED", ...ended("ignored") },
  ],
  "a failure that may be retried": [
    (job) => finish(job, 2, retryable, now),
    { QUEUED: "ignored", RUNNING: "QUEUED", ...ended("ignored") },
  ],
  "a failure that may be retried, of the last attempt": [
    (job) => finish(lastAttempt(job), 3, retryable, now),
    { QUEUED: "ignored", RUNNING: "FAILED", ...ended("ignored") },
  ],
  "a failure that may be retried, of an older attempt": [
    (job) => finish(job, 1, retryable, now),
    { QUEUED: "ignored", RUNNING: "ignored", ...ended("ignored") },
  ],
  "a failure that may be retried, without an attempt": [
    (job) => finish(job, null, retryable, now),
    { QUEUED: "FAILED", RUNNING: "QUEUED", ...ended("ignored") },
  ],
  "its owner's cancel": [
    (job) => cancel(job, now),
    { QUEUED: "CANCELLED", RUNNING: "CANCELLED", ...ended("JOB_ENDED"), CANCELLED: "ignored" },
  ],
  "the burial of its newest message": [
    (job) => bury(job, 3, now),
    { QUEUED: "FAILED", RUNNING: "ignored", ...ended("ignored") },
  ],
  "the burial of an older message": [
    (job) => bury(job, 2, now),
    { QUEUED: "ignored", RUNNING: "ignored", ...ended("ignored") },
  ],
  "time, with nothing due": [
    (job) => age(job, now, timing),
    { QUEUED: "ignored", RUNNING: "ignored", ...ended("ignored") },
  ],
  "its deadline": [
    (job) => age(pastDeadline(job), now, timing),
    { QUEUED: "EXPIRED", RUNNING: "EXPIRED", ...ended("ignored") },
  ],
  "the moment before its deadline": [
    (job) => age({ ...job, deadline: now + 1 }, now, timing),
    { QUEUED: "ignored", RUNNING: "ignored", ...ended("ignored") },
  ],
  "the end of its lease": [
    (job) => age(job, now + 10_000, timing),
    { QUEUED: "changed", RUNNING: "QUEUED", ...ended("ignored") },
  ],
  "the end of its last lease": [
    (job) => age(lastAttempt(job), now + 10_000, timing),
    { QUEUED: "changed", RUNNING: "FAILED", ...ended("ignored") },
  ],
  "the confirmation of its newest publish": [
    (job) => confirmPublished({ ...job, sent: false }, 3, now, timing),
    { QUEUED: "changed", RUNNING: "ignored", ...ended("ignored") },
  ],
  "the confirmation of an older publish": [
    (job) => confirmPublished({ ...job, sent: false }, 2, now, timing),
    { QUEUED: "ignored", RUNNING: "ignored", ...ended("ignored") },
  ],
  "an administrator's redrive": [
    (job) => redrive(job, now, timing),
    {
      QUEUED: "JOB_NOT_DEAD",
      RUNNING: "JOB_NOT_DEAD",
      ...ended("JOB_NOT_DEAD"),
      FAILED: "QUEUED",
      EXPIRED: "QUEUED",
    },
  ],
  "a repeated confirmation": [
    (job) => confirmPublished(job, 3, now, timing),
    { QUEUED: "ignored", RUNNING: "ignored", ...ended("ignored") },
  ],
};

function ended(outcome: string) {
  return { SUCCEEDED: outcome, FAILED: outcome, CANCELLED: outcome, EXPIRED: outcome };
}

describe.each(Object.entries(table))("%s", (_, [event, outcomes]) => {
  test.each(jobStates)(`to a job that is %s`, (state) => {
    expect(outcomeOf(event, jobIn(state))).toBe(outcomes[state]);
  });
});

function outcomeOf(event: Event, job: ImageJob): string {
  try {
    const next = event(job);
    if (next.state !== job.state) return next.state;
    // An ignored event gives the job back that it got, which may be a copy that the row above made.
    const { deadline, attempt, sent } = next;
    return isEqual(next, { ...job, deadline, attempt, sent }) ? "ignored" : "changed";
  } catch (error) {
    if (error instanceof DomainError) return error.reason;
    throw error;
  }
}

function isEqual(a: ImageJob, b: ImageJob): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

describe("a job's life", () => {
  test("gives the very same job back when an event changes nothing", () => {
    const done = jobIn("SUCCEEDED");
    const queued = jobIn("QUEUED");
    expect(finish(done, 2, failed, now)).toBe(done);
    expect(bury(queued, 1, now)).toBe(queued);
    expect(age(queued, now, timing)).toBe(queued);
    expect(confirmPublished(queued, 3, now, timing)).toBe(queued);
    const cancelled = jobIn("CANCELLED");
    expect(cancel(cancelled, now)).toBe(cancelled);
  });

  test("moves only as its table of moves says", () => {
    const from = (name: keyof typeof moves): readonly JobState[] => moves[name].from;
    const to = (name: keyof typeof moves): readonly JobState[] => moves[name].to;
    const names = Object.keys(moves) as (keyof typeof moves)[];
    for (const [, [event, outcomes]] of Object.entries(table)) {
      for (const state of jobStates) {
        const outcome = outcomeOf(event, jobIn(state));
        const target = jobStates.find((one) => one === outcome);
        if (target === undefined) continue;
        expect(outcomes[state]).toBe(target);
        expect(names.some((name) => from(name).includes(state) && to(name).includes(target))).toBe(true);
      }
    }
  });

  test("begins again with nothing of its first end, reserved for one publish", () => {
    const error = { reason: "WORKER_LOST", message: "the worker stopped answering" };
    const dead = jobIn("FAILED", { error, attempt: 3, progress: 0.5, deadline: now - 1, startedAt: now - 10 });
    const again = redrive(dead, now, timing);
    expect(again).toEqual({
      ...dead,
      state: "QUEUED",
      attemptLimit: 6,
      deadline: now + 24 * 60 * 60 * 1000,
      progress: 0,
      error: null,
      queuedAt: now,
      startedAt: null,
      endedAt: null,
      dispatch: 4,
      oldestDispatch: 4,
      sent: false,
      dispatchAt: now + 5000,
    });
    expect(dueAt(again, 7)).toBe(now + 5000);
  });

  test("waits as long before its second and third attempt in every life", () => {
    const delays = [
      { attempt: 1, attemptLimit: 3 },
      { attempt: 2, attemptLimit: 3 },
      { attempt: 4, attemptLimit: 6 },
      { attempt: 5, attemptLimit: 6 },
    ].map((life) => finish(jobIn("RUNNING", life), life.attempt, retryable, now).dispatchAt - now);
    expect(delays).toEqual([2000, 8000, 2000, 8000]);
  });

  test.each(["IMAGE_SERVER_UNAVAILABLE", "IMAGE_BROKEN_OFF"])(
    "waits for what is away as long as it takes to start: %s",
    (reason) => {
      const away = { ...retryable, error: { reason, message: "it is away" } };
      const delays = [1, 2].map(
        (attempt) => finish(jobIn("RUNNING", { attempt }), attempt, away, now).dispatchAt - now,
      );
      expect(delays).toEqual([30_000, 120_000]);
    },
  );

  test("is sent again at once when its worker was stopped", () => {
    const stopped = { ...retryable, error: { reason: "WORKER_STOPPED", message: "the worker was stopped" } };
    expect(finish(jobIn("RUNNING"), 2, stopped, now)).toMatchObject({ state: "QUEUED", sent: false, dispatchAt: now });
  });

  test("begins an attempt with a lease and no progress", () => {
    const claimed = claim(jobIn("QUEUED", { progress: 0.3 }), 3, now, timing);
    expect(claimed).toMatchObject({ attempt: 3, progress: 0, startedAt: now, leaseUntil: now + 32_000, endedAt: null });
    expect(dueAt(claimed, 7)).toBe(now + 32_000);
  });

  test("tells a worker that waits from one that must drop the job", () => {
    const held = thrownBy(() => claim(jobIn("RUNNING"), 2, now, timing));
    expect(held).toMatchObject({ code: "aborted", reason: "LEASE_HELD" });
    for (const refused of [
      () => claim(jobIn("CANCELLED"), 3, now, timing),
      () => claim(jobIn("RUNNING"), 3, now, timing),
      () => claim(jobIn("QUEUED"), 1, now, timing),
      () => heartbeat(jobIn("RUNNING"), 1, 0, now, timing),
      () => cancel(jobIn("SUCCEEDED"), now),
    ]) {
      expect(thrownBy(refused)).toMatchObject({ code: "failed_precondition" });
    }
  });

  test("of a version before is claimed by its newest message alone", () => {
    const { oldestDispatch: _, ...stored } = jobIn("QUEUED");
    expect(claim(stored, 3, now, timing)).toMatchObject({ state: "RUNNING", oldestDispatch: 3 });
    expect(thrownBy(() => claim(stored, 2, now, timing))).toMatchObject({ reason: "DISPATCH_SUPERSEDED" });
  });

  test("extends its lease with a heartbeat, and never goes back in progress", () => {
    const job = jobIn("RUNNING", { leaseUntil: now - 1 });
    expect(heartbeat(job, 2, 0.6, now, timing)).toEqual({ ...job, progress: 0.6, leaseUntil: now + 32_000 });
    expect(heartbeat(job, 2, 0.4, now, timing).progress).toBe(0.5);
  });

  test("keeps a lease that lapsed while nobody could renew it, for as long as a new one lives", () => {
    const lapsed = jobIn("RUNNING", { leaseUntil: now - 60_000 });
    expect(age(lapsed, now, timing, now)).toEqual({ ...lapsed, leaseUntil: now + 32_000 });
    expect(age(lapsed, now + 31_999, timing, now)).toEqual({ ...lapsed, leaseUntil: now + 32_000 });
    expect(age(lapsed, now + 32_000, timing, now)).toMatchObject({ state: "QUEUED", attempt: 2 });
    expect(age(pastDeadline(lapsed), now, timing, now).state).toBe("EXPIRED");
  });

  test("ends with its pictures and without an error", () => {
    const done = finish(jobIn("RUNNING"), 2, { kind: "succeeded", imageIds: ["a", "b"] }, now);
    const expected = { progress: 1, outputImageIds: ["a", "b"], error: null, endedAt: now, leaseUntil: null };
    expect(done).toMatchObject({ state: "SUCCEEDED", ...expected });
    expect(dueAt(done, 7)).toBe(now + 7);
  });

  test.each([
    ["FAILED", (job: ImageJob) => finish(job, 2, failed, now), "ENGINE_FAILED"],
    ["CANCELLED", (job: ImageJob) => cancel(job, now), "CANCELLED"],
    ["EXPIRED", (job: ImageJob) => age(pastDeadline(job), now, timing), "DEADLINE_PASSED"],
    ["FAILED", (job: ImageJob) => age(lastAttempt(job), now + 10_000, timing), "WORKER_LOST"],
    ["FAILED", (job: ImageJob) => finish(lastAttempt(job), 3, retryable, now), "ENGINE_FAILED"],
  ] as const)("ends %s with the reason, and no lease", (state, event, reason) => {
    const job = event(jobIn("RUNNING"));
    expect(job).toMatchObject({ state, error: { reason }, leaseUntil: null, outputImageIds: [] });
    expect(job.endedAt).toBeGreaterThanOrEqual(now);
    expect(job.error?.message).toBeTruthy();
  });

  test.each(["the engine failed", "The engine failed."])(
    "says after how many attempts it was given up: %s",
    (message) => {
      const outcome = { ...retryable, error: { ...error, message } };
      const ended = finish(jobIn("RUNNING", { attempt: 3 }), 3, outcome, now);
      expect(ended.error?.message).toMatch(/^the engine failed; given up after 3 attempts$/i);
    },
  );

  test("ends with a reason when it was delivered too often", () => {
    expect(bury(jobIn("QUEUED"), 3, now)).toMatchObject({ endedAt: now, error: { reason: "DELIVERED_TOO_OFTEN" } });
  });

  test("goes back to the queue with a new dispatch, to be sent after a while that grows", () => {
    const queued = finish(jobIn("RUNNING"), 2, retryable, now);
    expect(queued).toMatchObject({
      state: "QUEUED",
      attempt: 2,
      dispatch: 4,
      sent: false,
      dispatchAt: now + 8000,
      queuedAt: now,
      startedAt: null,
      leaseUntil: null,
      progress: 0,
      error: null,
    });
    expect(dueAt(queued, 7)).toBe(now + 8000);
  });

  test("expires rather than goes back when lease and deadline have both passed", () => {
    expect(age(jobIn("RUNNING", { leaseUntil: now - 5, deadline: now - 1 }), now, timing).state).toBe("EXPIRED");
  });

  test("repeats an unconfirmed publish under its number and sends a confirmed one under a new one", () => {
    const unconfirmed = jobIn("QUEUED", { sent: false, dispatchAt: now });
    const expected = { sent: false, dispatchAt: now + timing.publishMs };
    expect(age(unconfirmed, now, timing)).toEqual({ ...unconfirmed, ...expected });
    const unclaimed = jobIn("QUEUED", { sent: true, dispatchAt: now });
    expect(age(unclaimed, now, timing)).toEqual({ ...unclaimed, ...expected, dispatch: 4 });
  });

  test("waits twice as long for each resend, an hour at most", () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8, 100, 2000].map((dispatch) => {
      const queued = jobIn("QUEUED", { oldestDispatch: 1, dispatch, sent: false });
      const job = confirmPublished(queued, dispatch, now, timing);
      expect(job.sent).toBe(true);
      return (job.dispatchAt - now) / 60_000;
    });
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
  });

  test("waits for the first resend as long as at first, once it is given back or redriven", () => {
    const late = { oldestDispatch: 1, dispatch: 9 };
    const again = [
      age(jobIn("RUNNING", { ...late, leaseUntil: now }), now, timing),
      redrive(jobIn("FAILED", late), now, timing),
    ];
    for (const job of again) {
      expect(job).toMatchObject({ state: "QUEUED", dispatch: 10 });
      expect(confirmPublished(job, 10, now, timing).dispatchAt).toBe(now + 60_000);
    }
    // Of a time before that field.
    const { oldestDispatch: _, ...stored } = jobIn("QUEUED", { dispatch: 9, sent: false });
    expect(confirmPublished(stored, 9, now, timing).dispatchAt).toBe(now + 60_000);
  });

  test("is due at the earliest of what time does to it", () => {
    expect(dueAt(jobIn("QUEUED"), 7)).toBe(now + 10_000);
    expect(dueAt(jobIn("QUEUED", { deadline: now + 1 }), 7)).toBe(now + 1);
    expect(dueAt(jobIn("RUNNING", { dispatchAt: 0 }), 7)).toBe(now + 10_000);
    expect(dueAt(jobIn("RUNNING", { leaseUntil: null, deadline: now + 2 }), 7)).toBe(now + 2);
    for (const state of ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"] as const) {
      expect(dueAt(jobIn(state, { deadline: 0, dispatchAt: 0 }), 7)).toBe(now + 2);
    }
  });
});
