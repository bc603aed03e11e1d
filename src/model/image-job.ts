import { checkFields } from "./errors.ts";
import { type ModelRoutes, modelRule } from "./models.ts";
import { integerRule, rangeRule, textRule } from "./text.ts";
import { dayMs } from "./time.ts";

export const jobStates = ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"] as const;
export type JobState = (typeof jobStates)[number];
export const openStates = ["QUEUED", "RUNNING"] as const satisfies readonly JobState[];
/** The states of jobs whose end nobody asked for: these can be sent again. */
export const deadStates = ["FAILED", "EXPIRED"] as const satisfies readonly JobState[];

export interface JobError {
  /** Stable, for programs. */
  readonly reason: string;
  /** For the job's owner to read. */
  readonly message: string;
}

export interface ImageJob {
  readonly id: string;
  /** The account or client that submitted it. */
  readonly ownerId: string;
  /** Unique: the owner and the request_id, or filled from the job's id when none was given. */
  readonly requestKey: string;
  readonly requestId: string;
  /** A hash of the request, so that another request under the same request_id is noticed; empty without one. */
  readonly fingerprint: string;

  readonly prompt: string;
  readonly promptGuidance: number;
  readonly strength: number;
  readonly modelType: string;
  readonly inputImageId: string;
  readonly seed: number;
  readonly imageCount: number;
  readonly deadline: number;

  readonly state: JobState;
  /** Counts claims and fences results: only one that names the current attempt counts. */
  readonly attempt: number;
  /** The last attempt there may be. */
  readonly attemptLimit: number;
  /** 0 to 1, of the current attempt. */
  readonly progress: number;
  readonly error: JobError | null;
  readonly outputImageIds: readonly string[];

  /** Counts deliberate publishes; with the id it names the message. */
  readonly dispatch: number;
  /**
   * The first message since the job was last QUEUED. It and those after it may claim the job, so a job that was only
   * sent again keeps its place in the queue. While RUNNING: the message that claimed it. Missing in records from before
   * this field.
   */
  readonly oldestDispatch?: number;
  /** Whether the queue has confirmed that message. */
  readonly sent: boolean;
  /** While QUEUED: when the dispatcher looks at it next. */
  readonly dispatchAt: number;
  /** While RUNNING: when the lease lapses; else null. */
  readonly leaseUntil: number | null;

  readonly createdAt: number;
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;

  /** Grows by one with every write. */
  readonly version: number;
  /** Names the last write, so that its writer knows it again after a lost answer. */
  readonly operation: string;
}

/** What a caller asks for; what is undefined gets its default. */
export interface Submission {
  readonly imageId: string;
  readonly prompt: string;
  readonly promptGuidance: number | undefined;
  readonly strength: number | undefined;
  readonly modelType: string;
  readonly seed: number | undefined;
  readonly imageCount: number | undefined;
  /** Milliseconds since the epoch. */
  readonly deadline: number | undefined;
  /** Empty when the call need not be repeatable. */
  readonly requestId: string;
}

export const promptMax = 4000;
export const deadlineDefaultMs = dayMs;
export const deadlineMaxMs = 7 * dayMs;
/** How many attempts a job has before it fails. */
export const attemptsMax = 3;
const requestIdPattern = /^[\x21-\x7e]{1,128}$/;

export function checkSubmission(wanted: Submission, models: ModelRoutes, now: number): void {
  checkFields({
    image_id: () => (wanted.imageId === "" ? "must name an uploaded picture" : undefined),
    prompt: () => textRule(wanted.prompt, { min: 1, max: promptMax }),
    prompt_guidance: () => rangeRule(wanted.promptGuidance ?? 0, 0, 30),
    strength: () => rangeRule(wanted.strength ?? 0, 0, 1),
    model_type: () => (wanted.modelType === "" ? undefined : modelRule(wanted.modelType, models)),
    seed: () => integerRule(wanted.seed ?? 0, 0, 2 ** 32 - 1),
    image_count: () => integerRule(wanted.imageCount ?? 1, 1, 4),
    deadline: () => deadlineRule(wanted.deadline, now),
    request_id: () =>
      wanted.requestId === "" || requestIdPattern.test(wanted.requestId)
        ? undefined
        : "must be 1 to 128 printable ASCII characters without blanks",
  });
}

function deadlineRule(deadline: number | undefined, now: number): string | undefined {
  if (deadline === undefined) return undefined;
  return deadline > now && deadline <= now + deadlineMaxMs ? undefined : "must be in the future, at most 7 days ahead";
}

/** A checked submission as a job that waits to be dispatched for the first time. */
export function newJob(
  wanted: Submission,
  made: {
    id: string;
    ownerId: string;
    fingerprint: string;
    defaultModel: string;
    randomSeed: number;
    now: number;
    dispatchAt: number;
  },
): ImageJob {
  const { now } = made;
  return {
    id: made.id,
    ownerId: made.ownerId,
    requestKey: requestKey(made.ownerId, wanted.requestId) ?? made.id,
    requestId: wanted.requestId,
    fingerprint: made.fingerprint,
    prompt: wanted.prompt,
    promptGuidance: wanted.promptGuidance ?? 7.5,
    strength: wanted.strength ?? 0.8,
    modelType: wanted.modelType || made.defaultModel,
    inputImageId: wanted.imageId,
    seed: wanted.seed ?? made.randomSeed,
    imageCount: wanted.imageCount ?? 1,
    deadline: wanted.deadline ?? now + deadlineDefaultMs,
    state: "QUEUED",
    attempt: 0,
    attemptLimit: attemptsMax,
    progress: 0,
    error: null,
    outputImageIds: [],
    dispatch: 1,
    oldestDispatch: 1,
    sent: false,
    dispatchAt: made.dispatchAt,
    leaseUntil: null,
    createdAt: now,
    queuedAt: now,
    startedAt: null,
    endedAt: null,
    version: 1,
    operation: made.id,
  };
}

/** Undefined without a request_id, since nothing can be found by it. */
export function requestKey(ownerId: string, requestId: string): string | undefined {
  return requestId === "" ? undefined : `${ownerId}/${requestId}`;
}

export function hasEnded({ state }: ImageJob): boolean {
  return !openStates.some((open) => open === state);
}

export function isDead({ state }: ImageJob): boolean {
  return deadStates.some((dead) => dead === state);
}
