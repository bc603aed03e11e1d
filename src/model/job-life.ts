import { DomainError } from "./errors.ts";
import { imageBrokenOff } from "./image.ts";
import type { ImageJob, JobError, JobState } from "./image-job.ts";
import { attemptsMax, deadlineDefaultMs, deadStates, hasEnded, isDead } from "./image-job.ts";

/**
 * A job's life: every move there is, and who makes it. Nothing else changes a state.
 * The attempt is a fencing token: a result that names another one than the current is dropped.
 */
export const moves = {
  claim: { from: ["QUEUED"], to: ["RUNNING"], by: "a worker, by ClaimJob: attempt + 1 and a lease" },
  finish: { from: ["RUNNING"], to: ["SUCCEEDED", "FAILED"], by: "a result that names the current attempt" },
  finishUnclaimed: {
    from: ["QUEUED", "RUNNING"],
    to: ["SUCCEEDED", "FAILED"],
    by: "a result with no attempt: old workers never claim",
  },
  giveBack: {
    from: ["RUNNING"],
    to: ["QUEUED", "FAILED"],
    by: "a lapsed lease, or a failure that may be retried; FAILED after the last attempt",
  },
  bury: { from: ["QUEUED"], to: ["FAILED"], by: "the dead-letter reader: delivered too often" },
  cancel: {
    from: ["QUEUED", "RUNNING"],
    to: ["CANCELLED"],
    by: "CancelImageJob, or that its client was deleted",
  },
  expire: { from: ["QUEUED", "RUNNING"], to: ["EXPIRED"], by: "the sweeper, when the deadline has passed" },
  redrive: { from: deadStates, to: ["QUEUED"], by: "an admin: fresh attempts and deadline" },
} as const satisfies Record<string, { from: readonly JobState[]; to: readonly JobState[]; by: string }>;

/** Reasons of refusals after which a worker need not ask again for its attempt. */
export const attemptOver: readonly string[] = ["JOB_ENDED", "LEASE_LOST", "OWNER_UNUSABLE"];

/** The reason of an attempt that failed because its worker was stopped. */
export const workerStopped = "WORKER_STOPPED";

/** The reason of an attempt that failed because the engine's image server is away, or too busy to answer. */
export const imageServerUnavailable = "IMAGE_SERVER_UNAVAILABLE";

type Move = keyof typeof moves;
type Target<M extends Move> = (typeof moves)[M]["to"][number];

export type Outcome =
  | { readonly kind: "succeeded"; readonly imageIds: readonly string[] }
  | { readonly kind: "failed"; readonly error: JobError; readonly retryable: boolean };

export interface Timing {
  /** How long a lease lives without a heartbeat. */
  readonly leaseMs: number;
  /** How much longer the lease lives than its worker is told: another server with another clock may end it. */
  readonly leaseMarginMs: number;
  /** How long one publish may take before another process tries. */
  readonly publishMs: number;
  /** How long a sent job may stay unclaimed before it is sent again; doubles each time until it is claimed. */
  readonly resendMs: number;
  /** The longest such wait. */
  readonly resendMaxMs: number;
  /** How long an ended job is kept. */
  readonly keepMs: number;
}

export function claim(job: ImageJob, dispatch: number, now: number, timing: Timing): ImageJob {
  if (hasEnded(job)) throw jobEnded(job);
  if (now >= job.deadline) throw refused("JOB_ENDED", "the job's deadline has passed");
  if (!mayClaim(job, dispatch)) throw refused("DISPATCH_SUPERSEDED", "another message of the job counts now");
  if (job.state === "RUNNING") throw new DomainError("aborted", "LEASE_HELD", "another worker has the job");
  return move(job, "claim", "RUNNING", {
    attempt: job.attempt + 1,
    oldestDispatch: dispatch,
    progress: 0,
    startedAt: now,
    leaseUntil: leaseEnd(now, timing),
  });
}

/** While the job waits, any message since it was QUEUED may claim it; while it runs, only the one that did. */
function mayClaim({ state, dispatch: newest, oldestDispatch = newest }: ImageJob, dispatch: number): boolean {
  return oldestDispatch <= dispatch && dispatch <= (state === "QUEUED" ? newest : oldestDispatch);
}

export function heartbeat(job: ImageJob, attempt: number, progress: number, now: number, timing: Timing): ImageJob {
  if (hasEnded(job)) throw jobEnded(job);
  if (now >= job.deadline) throw refused("JOB_ENDED", "the job's deadline has passed");
  if (job.state !== "RUNNING" || job.attempt !== attempt)
    throw refused("LEASE_LOST", "the job is no longer this worker's");
  return { ...job, leaseUntil: leaseEnd(now, timing), progress: Math.max(job.progress, progress) };
}

function leaseEnd(now: number, { leaseMs, leaseMarginMs }: Timing): number {
  return now + leaseMs + leaseMarginMs;
}

/** The job as the result leaves it; the job itself when the result comes too late to count. */
export function finish(job: ImageJob, attempt: number | null, outcome: Outcome, now: number): ImageJob {
  const counts = attempt === null ? !hasEnded(job) : job.state === "RUNNING" && job.attempt === attempt;
  if (!counts) return job;
  const by = attempt === null ? "finishUnclaimed" : "finish";
  if (outcome.kind === "succeeded") {
    return end(job, by, "SUCCEEDED", null, now, { progress: 1, outputImageIds: outcome.imageIds });
  }
  if (outcome.retryable && job.state === "RUNNING")
    return giveBack(job, outcome.error, now, retryDelay(job, outcome.error));
  return end(job, by, "FAILED", outcome.error, now);
}

export function cancel(job: ImageJob, now: number): ImageJob {
  if (job.state === "CANCELLED") return job;
  if (hasEnded(job)) throw jobEnded(job);
  return end(job, "cancel", "CANCELLED", { reason: "CANCELLED", message: "cancelled by its owner" }, now);
}

/** Cancels a deleted owner's job; the job itself when it has ended. */
export function cancelOpen(job: ImageJob, now: number): ImageJob {
  return hasEnded(job) ? job : cancel(job, now);
}

/** For a message that the queue gave up on; the job itself when that message is not its newest. */
export function bury(job: ImageJob, dispatch: number, now: number): ImageJob {
  if (job.state !== "QUEUED" || dispatch !== job.dispatch) return job;
  const error = { reason: "DELIVERED_TOO_OFTEN", message: "no worker could take the job; it was delivered too often" };
  return end(job, "bury", "FAILED", error, now);
}

/** Starts a dead job again. Attempts and dispatches go on counting, so that nothing from before counts now. */
export function redrive(job: ImageJob, now: number, timing: Timing): ImageJob {
  if (!isDead(job))
    throw refused("JOB_NOT_DEAD", `only a job that FAILED or EXPIRED is sent again; it is ${job.state}`);
  return move(job, "redrive", "QUEUED", {
    attemptLimit: job.attempt + attemptsMax,
    deadline: now + deadlineDefaultMs,
    progress: 0,
    error: null,
    queuedAt: now,
    startedAt: null,
    endedAt: null,
    ...nextDispatch(job),
    dispatchAt: now + timing.publishMs,
  });
}

/**
 * What time alone does to a job: the job itself when nothing is due. A lease that lapsed while workers could not renew
 * it lives until one whole lease after `renewableSince`.
 */
export function age(job: ImageJob, now: number, timing: Timing, renewableSince = 0): ImageJob {
  if (hasEnded(job)) return job;
  if (now >= job.deadline) {
    return end(job, "expire", "EXPIRED", { reason: "DEADLINE_PASSED", message: "not done by its deadline" }, now);
  }
  if (job.leaseUntil !== null && now >= job.leaseUntil) {
    const leaseUntil = leaseEnd(renewableSince, timing);
    if (now < leaseUntil) return { ...job, leaseUntil };
    return giveBack(job, { reason: "WORKER_LOST", message: "the worker stopped answering" }, now);
  }
  return job.state === "QUEUED" && now >= job.dispatchAt ? takeToPublish(job, now, timing) : job;
}

/** Whether `age` reserved the job's next publish, which its caller is then to make. */
export function hasReservedPublish(before: ImageJob, after: ImageJob): boolean {
  return after !== before && before.state === "QUEUED" && after.state === "QUEUED";
}

/** Reserves the next publish for one process; an unconfirmed one is repeated under its own number. */
function takeToPublish(job: ImageJob, now: number, timing: Timing): ImageJob {
  return {
    ...job,
    dispatch: job.sent ? job.dispatch + 1 : job.dispatch,
    sent: false,
    dispatchAt: now + timing.publishMs,
  };
}

/** Notes a confirmed publish; the job itself when that is no longer its newest, or a worker has the job already. */
export function confirmPublished(job: ImageJob, dispatch: number, now: number, timing: Timing): ImageJob {
  if (job.state !== "QUEUED" || job.dispatch !== dispatch || job.sent) return job;
  const resends = dispatch - (job.oldestDispatch ?? dispatch);
  const wait = Math.min(timing.resendMs * 2 ** resends, timing.resendMaxMs);
  return { ...job, sent: true, dispatchAt: now + wait };
}

/** For a queue that has none of the messages sent before: makes the job due to be published at once. Idempotent. */
export function dueAgain(job: ImageJob): ImageJob {
  return job.state === "QUEUED" ? { ...job, dispatchAt: job.queuedAt } : job;
}

/** When time alone will next change the job, or make it ready to be deleted. */
export function dueAt(job: ImageJob, keepMs: number): number {
  if (job.endedAt !== null) return job.endedAt + keepMs;
  const next = job.state === "RUNNING" ? (job.leaseUntil ?? job.deadline) : job.dispatchAt;
  return Math.min(next, job.deadline);
}

/**
 * The cause of a failure may need a while to come back: 2 s, then 8 s; for an image server or service that restarts 30 s,
 * then 2 min. A stopped worker's job need not wait.
 */
function retryDelay({ attempt, attemptLimit }: ImageJob, { reason }: JobError): number {
  if (reason === workerStopped) return 0;
  const firstMs = [imageServerUnavailable, imageBrokenOff].includes(reason) ? 30_000 : 2000;
  const left = attemptLimit - attempt;
  return firstMs * 4 ** (attemptsMax - 1 - left);
}

function giveBack(job: ImageJob, error: JobError, now: number, delayMs = 0): ImageJob {
  if (job.attempt >= job.attemptLimit) {
    const message = `${error.message.replace(/\.$/, "")}; given up after ${job.attemptLimit} attempts`;
    return end(job, "giveBack", "FAILED", { reason: error.reason, message }, now);
  }
  return move(job, "giveBack", "QUEUED", {
    progress: 0,
    queuedAt: now,
    startedAt: null,
    leaseUntil: null,
    ...nextDispatch(job),
    dispatchAt: now + delayMs,
  });
}

/** The dispatch of a job that is QUEUED again: no message from before counts. */
function nextDispatch({ dispatch }: ImageJob) {
  return { dispatch: dispatch + 1, oldestDispatch: dispatch + 1, sent: false };
}

function end<M extends Move>(
  job: ImageJob,
  by: M,
  to: Target<M>,
  error: JobError | null,
  now: number,
  change: Partial<ImageJob> = {},
): ImageJob {
  return move(job, by, to, { error, endedAt: now, leaseUntil: null, ...change });
}

function move<M extends Move>(job: ImageJob, by: M, to: Target<M>, change: Partial<ImageJob>): ImageJob {
  const from: readonly JobState[] = moves[by].from;
  if (!from.includes(job.state)) throw new Error(`${by} cannot move a job that is ${job.state}`);
  return { ...job, ...change, state: to };
}

function jobEnded(job: ImageJob): DomainError {
  return refused("JOB_ENDED", `the job has ended: ${job.state}`);
}

function refused(reason: string, message: string): DomainError {
  return new DomainError("failed_precondition", reason, message);
}
