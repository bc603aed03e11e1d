import pRetry from "p-retry";
import { reasonOf } from "../client/index.ts";
import { imageBrokenOff } from "../model/image.ts";
import { attemptOver, workerStopped } from "../model/job-life.ts";
import {
  decodeJob,
  encodeResult,
  type JobMessage,
  MalformedMessage,
  type ResultMessage,
} from "../model/queue-messages.ts";
import type { Log } from "../ports/log.ts";
import { backOff, complete, type IncomingMessage, maxDeliveries, type Queue, type Settlement } from "../ports/queue.ts";
import { type Engine, EngineError } from "./engine.ts";
import { Heartbeats } from "./heartbeats.ts";
import { type Claim, type JobApi, untilTaken } from "./job-api.ts";

export interface Worker {
  /** Takes no more jobs, gives the running ones `graceMs` to end, returns what is left to the queue. */
  stop(graceMs: number): Promise<void>;
}

interface WorkerDeps {
  readonly jobQueue: Queue;
  readonly resultQueue: Queue;
  readonly server: JobApi;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly concurrency: number;
  readonly log: Log;
}

interface Attempt {
  readonly job: JobMessage;
  readonly engine: Engine;
  readonly claim: Claim;
  /** The job's input, on its way. */
  readonly picture: Promise<Uint8Array>;
  /** Aborts when the attempt is given up. */
  readonly signal: AbortSignal;
  readonly refuse: (reason: Refused) => void;
}

/** How long a job that another worker has is left alone. */
const heldDelayMs = 5000;

/** Why an attempt fails, by what a server answered its worker. */
const refusals: Readonly<Record<string, ResultMessage["error"]>> = {
  IMAGE_NOT_FOUND: {
    reason: "INPUT_PICTURE_GONE",
    message: "the job's input picture is not there: submit it again with another one",
    retryable: false,
  },
  [imageBrokenOff]: {
    reason: imageBrokenOff,
    message: "the image service did not send the whole of the job's input picture",
    retryable: true,
  },
  IMAGE_SERVICE_REFUSED: {
    reason: "IMAGE_SERVICE_REFUSED",
    message: "the image service does not take the developed picture",
    retryable: false,
  },
};

class Refused extends Error {
  override readonly name = "Refused";
}

/** Takes messages, claims their jobs, runs an engine, reports: the same life wherever it runs. */
export function takeJobs(deps: WorkerDeps): Worker {
  const closing = new AbortController();
  const stopping = new AbortController();
  const handler = (message: IncomingMessage) => takeMessage(message, deps, closing.signal, stopping.signal);
  const consumer = deps.jobQueue.consume(handler, { concurrency: deps.concurrency });
  return {
    async stop(graceMs) {
      closing.abort();
      const timer = setTimeout(() => stopping.abort(new Error("the worker was stopped")), graceMs);
      await consumer.stop();
      clearTimeout(timer);
    },
  };
}

/** `closing`: nothing more is begun; `stopping`: what was begun is given up. */
async function takeMessage(
  message: IncomingMessage,
  deps: WorkerDeps,
  closing: AbortSignal,
  stopping: AbortSignal,
): Promise<Settlement> {
  let job: JobMessage;
  try {
    job = decodeJob(message.body);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return { kind: "deadLetter", reason: "Malformed", description: error.message };
  }
  const engine = deps.engines.get(job.model_type);
  if (engine === undefined) return leaveToOthers(message, job, deps.log);
  const refused = new AbortController();
  const signal = AbortSignal.any([stopping, refused.signal]);
  // Most claims are granted, so the picture is fetched meanwhile.
  const picture = deps.server.picture(job.token, job.uuid, signal);
  picture.catch(() => {});
  let claim: Claim;
  try {
    claim = await deps.server.claim(job.token, job.dispatch, closing, signal);
  } catch (error) {
    refused.abort(new Refused("the claim was not granted", { cause: error }));
    return settleUnclaimed(error, closing);
  }
  await runAttempt({ job, engine, claim, picture, signal, refuse: (reason) => refused.abort(reason) }, deps);
  return complete;
}

/**
 * A job whose model only other workers have. They may be busy for longer than the message's deliveries last. Before these
 * are used up, which would fail the job, the job is left to its server, which sends it again as one that nobody claimed.
 */
function leaveToOthers(message: IncomingMessage, job: JobMessage, log: Log): Settlement {
  if (message.deliveryCount < maxDeliveries) return backOff(message);
  log.warn({ job: job.message_id, model: job.model_type }, "a job waits for a worker that has its model");
  return complete;
}

function settleUnclaimed(error: unknown, closing: AbortSignal): Settlement {
  const reason = reasonOf(error);
  // The job of an owner who cannot be used now is sent again, as one that nobody claimed.
  if (["JOB_ENDED", "DISPATCH_SUPERSEDED", "OWNER_UNUSABLE"].includes(reason ?? "")) return complete;
  if (reason === "LEASE_HELD") return { kind: "abandon", delayMs: heldDelayMs };
  if (closing.aborted) return { kind: "abandon", delayMs: 0 };
  throw error;
}

/** Ends with the outcome in the result queue, or with nothing when the job is no longer this worker's. */
async function runAttempt(attempt: Attempt, deps: WorkerDeps): Promise<void> {
  const { job, claim, signal, refuse } = attempt;
  const { server, log } = deps;
  const heartbeats = new Heartbeats(
    claim.leaseMs,
    (progress, tooLate) => server.heartbeat(claim.token, progress, AbortSignal.any([signal, tooLate])),
    (refusal) => refuse(new Refused("the job is no longer this worker's", { cause: refusal })),
  );
  const fields = { job: job.message_id, attempt: claim.attempt, model: job.model_type };
  log.info(fields, "job claimed");
  try {
    const result = await develop(attempt, deps, heartbeats).catch((error: unknown) => failure(attempt, error, log));
    if (result === undefined) return log.info(fields, "job dropped: it is no longer this worker's");
    await sendResult(result, attempt, deps);
    log.info({ ...fields, error: result.error?.reason }, "job done");
  } finally {
    heartbeats.stop();
  }
}

/** Tries until the queue takes the result, since the work is done. Its id makes a result that is sent twice count once. */
async function sendResult(result: ResultMessage, { job, claim, signal }: Attempt, { resultQueue, log }: WorkerDeps) {
  const message = { id: `${job.message_id}.${claim.attempt}`, body: encodeResult(result) };
  await pRetry(() => resultQueue.send([message]), {
    ...untilTaken,
    onFailedAttempt: ({ attemptNumber, error }) => {
      if (attemptNumber === 1) log.warn({ err: error, job: job.message_id }, "a result could not be sent; it will be");
    },
    // p-retry does not get `signal` itself: the result that says why it aborted is sent at least once.
    shouldRetry: () => !signal.aborted,
  });
}

async function develop(
  { job, engine, claim, picture, signal }: Attempt,
  { server }: WorkerDeps,
  heartbeats: Heartbeats,
): Promise<ResultMessage> {
  const task = {
    picture: await picture,
    prompt: job.prompt,
    promptGuidance: job.prompt_guidance,
    strength: job.strength,
    seed: job.seed,
    imageCount: job.image_count,
  };
  const pictures = await engine.develop(task, (progress) => heartbeats.report(progress), signal);
  const ids: string[] = [];
  for (const developed of pictures) ids.push(await server.store(claim.token, developed, signal));
  const [first = ""] = ids;
  return { message_id: job.message_id, uuid_processed: first, uuids_processed: ids, attempt: claim.attempt };
}

/** The result that says why there is no picture, or undefined when nobody waits for one. */
function failure({ job, claim: { attempt }, signal }: Attempt, error: unknown, log: Log): ResultMessage | undefined {
  if (signal.reason instanceof Refused || attemptOver.includes(reasonOf(error) ?? "")) return undefined;
  const result = { message_id: job.message_id, attempt };
  const refused = refusals[reasonOf(error) ?? ""];
  if (refused !== undefined) return { ...result, error: refused };
  if (signal.aborted) {
    return { ...result, error: { reason: workerStopped, message: "the worker was stopped", retryable: true } };
  }
  if (error instanceof EngineError) {
    const { reason, message, retryable, cause } = error;
    // The cause, which the owner is not told.
    const fields = { err: cause ?? error, job: job.message_id, attempt, reason };
    if (retryable) log.warn(fields, "an attempt failed; another may do better");
    else if (cause !== undefined) log.info(fields, "why the job failed");
    return { ...result, error: { reason, message, retryable } };
  }
  log.error({ err: error, job: job.message_id, attempt }, "a job failed unexpectedly");
  return { ...result, error: { reason: "WORKER_FAULT", message: "the worker failed unexpectedly", retryable: true } };
}
