import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DomainError } from "../../src/model/errors.ts";
import { hasEnded, type ImageJob, isDead } from "../../src/model/image-job.ts";
import {
  age,
  bury,
  cancel,
  claim,
  confirmPublished,
  dueAt,
  finish,
  heartbeat,
  type Outcome,
  redrive,
} from "../../src/model/job-life.ts";
import { sampleJob, sampleTiming as timing } from "../contracts/samples.ts";

interface Event {
  readonly name: string;
  /** Of an attempt or a dispatch: how far behind the current one. */
  readonly behind: number;
  readonly waitMs: number;
  readonly progress: number;
}

const error = { reason: "FAILED", message: "failed" };
const failure = (retryable: boolean): Outcome => ({ kind: "failed", error, retryable });
const success: Outcome = { kind: "succeeded", imageIds: ["picture"] };

const appliers: Record<string, (job: ImageJob, event: Event, now: number) => ImageJob> = {
  claim: (job, { behind }, now) => claim(job, job.dispatch - behind, now, timing),
  heartbeat: (job, { behind, progress }, now) => heartbeat(job, job.attempt - behind, progress, now, timing),
  succeed: (job, { behind }, now) => finish(job, job.attempt - behind, success, now),
  fail: (job, { behind }, now) => finish(job, job.attempt - behind, failure(false), now),
  failForNow: (job, { behind }, now) => finish(job, job.attempt - behind, failure(true), now),
  succeedUnclaimed: (job, _, now) => finish(job, null, success, now),
  failUnclaimed: (job, _, now) => finish(job, null, failure(true), now),
  cancel: (job, _, now) => cancel(job, now),
  bury: (job, { behind }, now) => bury(job, job.dispatch - behind, now),
  age: (job, _, now) => age(job, now, timing),
  ageWhenDue: (job, _, now) => age(job, Math.max(now, dueAt(job, 0)), timing),
  redrive: (job, _, now) => redrive(job, now, timing),
  confirm: (job, { behind }, now) => confirmPublished(job, job.dispatch - behind, now, timing),
};

const enders = ["succeed", "fail", "succeedUnclaimed", "failUnclaimed", "cancel", "bury"];
const lively = Object.keys(appliers).filter((name) => !enders.includes(name));

const eventOf = (names: readonly string[]) =>
  fc.record({
    name: fc.constantFrom(...names),
    behind: fc.constantFrom(0, 0, 0, 1, 2, -1),
    waitMs: fc.constantFrom(0, 0, 0, 1, 1, 5000, 5000, 31_999, 32_000, 3_600_000, 12 * 3_600_000),
    progress: fc.double({ min: 0, max: 1, noNaN: true }),
  });

/** Without a size there are ten at most. */
const length = { maxLength: 25, size: "max" } as const;

/** Mostly events that keep a job alive, so that sequences get far, and then any. */
const sequences = fc
  .tuple(fc.array(eventOf(lively), length), fc.array(eventOf(Object.keys(appliers)), length))
  .map(([first, then]) => [...first, ...then]);

function apply(job: ImageJob, event: Event, now: number): ImageJob {
  try {
    return appliers[event.name]?.(job, event, now) ?? job;
  } catch (error) {
    if (error instanceof DomainError) return job;
    throw error;
  }
}

function walk(events: readonly Event[], check: (before: ImageJob, after: ImageJob, event: Event) => void): ImageJob {
  let job = sampleJob();
  let now = job.createdAt;
  for (const event of events) {
    now += event.waitMs;
    const next = apply(job, event, now);
    check(job, next, event);
    job = next;
  }
  return job;
}

const holds = (check: (before: ImageJob, after: ImageJob, event: Event) => void) =>
  fc.assert(
    fc.property(sequences, (events) => void walk(events, check)),
    { numRuns: 1000 },
  );

describe("whatever happens to a job", () => {
  test("its first terminal state wins and never changes, but by a redrive of what failed or expired", () => {
    holds((before, after, { name }) => {
      if (!hasEnded(before)) return;
      if (name === "redrive" && isDead(before)) expect(after.state).toBe("QUEUED");
      else expect(after).toBe(before);
    });
  });

  test("a redrive gives it three attempts and a day more, and what its life before left behind changes nothing", () => {
    holds((before, after, { name }) => {
      if (name !== "redrive" || after === before) return;
      const now = after.queuedAt;
      expect(after.attemptLimit - after.attempt).toBe(3);
      expect(after.deadline).toBe(now + 24 * 3_600_000);
      for (let attempt = 0; attempt <= before.attempt; attempt += 1) {
        for (const outcome of [success, failure(true), failure(false)]) {
          expect(finish(after, attempt, outcome, now)).toBe(after);
        }
        expect(() => heartbeat(after, attempt, 1, now, timing)).toThrow(DomainError);
      }
      for (let dispatch = 0; dispatch <= before.dispatch; dispatch += 1) {
        expect(() => claim(after, dispatch, now, timing)).toThrow(DomainError);
        expect(bury(after, dispatch, now)).toBe(after);
        expect(confirmPublished(after, dispatch, now, timing)).toBe(after);
      }
    });
  });

  test("its attempt never decreases, grows by claims alone, one at a time, and never exceeds its limit", () => {
    holds((before, after, { name }) => {
      const grown = after.attempt - before.attempt;
      expect(grown).toBe(name === "claim" && after !== before ? 1 : 0);
      expect(after.attempt).toBeLessThanOrEqual(after.attemptLimit);
    });
  });

  test("its dispatch never decreases, and grows by one at a time", () => {
    holds((before, after) => {
      expect([0, 1]).toContain(after.dispatch - before.dispatch);
      if (after.dispatch > before.dispatch) expect(after.sent).toBe(false);
    });
  });

  test("another attempt than the current one changes nothing", () => {
    holds((before, after, { name, behind }) => {
      const namesAttempt = ["heartbeat", "succeed", "fail", "failForNow"].includes(name);
      if (namesAttempt && behind !== 0) expect(after).toBe(before);
    });
  });

  test("another dispatch than the newest neither buries nor confirms it", () => {
    holds((before, after, { name, behind }) => {
      if (["bury", "confirm"].includes(name) && behind !== 0) expect(after).toBe(before);
    });
  });

  test("any message since it was last queued may claim it, and no other", () => {
    holds((before, after, { name, behind }) => {
      const isClaim = name === "claim" && after !== before;
      const isQueued = after.state === "QUEUED" && before.state !== "QUEUED";
      expect(after.oldestDispatch).toBe(
        isClaim ? before.dispatch - behind : isQueued ? after.dispatch : before.oldestDispatch,
      );
      if (!isClaim) return;
      expect(after.oldestDispatch).toBeGreaterThanOrEqual(before.oldestDispatch ?? Number.NaN);
      expect(after.oldestDispatch).toBeLessThanOrEqual(before.dispatch);
    });
  });

  test("while it lives, something is due by its deadline at the latest", () => {
    holds((_, after) => {
      if (!hasEnded(after)) expect(dueAt(after, 7)).toBeLessThanOrEqual(after.deadline);
    });
  });

  test("time always moves what is due, so no sweep comes for nothing", () => {
    holds((_, after) => {
      const due = dueAt(after, 0);
      if (hasEnded(after)) return;
      expect(age(after, due, timing)).not.toBe(after);
      expect(age(after, due - 1, timing)).toBe(after);
    });
  });

  test("it is whole: ended with an end and without a lease, running with a lease, queued with neither", () => {
    holds((_, { state, endedAt, leaseUntil, startedAt, error, outputImageIds, progress }) => {
      expect(endedAt !== null).toBe(state !== "QUEUED" && state !== "RUNNING");
      expect(leaseUntil !== null).toBe(state === "RUNNING");
      if (state === "RUNNING") expect(startedAt).not.toBeNull();
      expect(error !== null).toBe(endedAt !== null && state !== "SUCCEEDED");
      expect(outputImageIds.length > 0).toBe(state === "SUCCEEDED");
      expect(progress >= 0 && progress <= 1).toBe(true);
    });
  });

  test("every end and every attempt is reached by these sequences", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(sequences, (events) => {
        const job = walk(events, (_, { attempt, attemptLimit }) => {
          // Claimed in a later life.
          if (attemptLimit > 3 && attempt > attemptLimit - 3) seen.add("redriven");
        });
        seen.add(job.state).add(`attempt ${job.attempt}`);
      }),
      { numRuns: 1000, seed: 1 },
    );
    const attempts = ["attempt 1", "attempt 2", "attempt 3"];
    for (const each of ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "redriven", ...attempts]) {
      expect(seen).toContain(each);
    }
  });
});
