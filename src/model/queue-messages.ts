import { isId } from "./ids.ts";
import type { ImageJob } from "./image-job.ts";
import type { Outcome } from "./job-life.ts";

/**
 * What travels in the queues, as JSON. The fields up to `token`, and `message_id` with `uuid_processed`, are those of
 * the first system, which its workers know; the others are ours and may be missing in what such a worker sends.
 */
export interface JobMessage {
  /** The job's id. */
  readonly message_id: string;
  /** The input picture's id. */
  readonly uuid: string;
  readonly prompt: string;
  readonly prompt_guidance: number;
  readonly strength: number;
  readonly model_type: string;
  /** A job token; good until the job ends. */
  readonly token: string;
  readonly dispatch: number;
  readonly seed: number;
  readonly image_count: number;
}

export interface ResultMessage {
  readonly message_id: string;
  /** The developed picture's id. Of several, the first. */
  readonly uuid_processed?: string;
  readonly uuids_processed?: readonly string[];
  readonly attempt?: number;
  readonly error?: { readonly reason: string; readonly message: string; readonly retryable: boolean };
}

export interface Result {
  readonly jobId: string;
  /** Null from a worker that never claims. */
  readonly attempt: number | null;
  readonly outcome: Outcome;
}

/** The broker's message id: the same for a repeated publish, another for a deliberate resend. */
export function jobMessageId(job: ImageJob): string {
  return `${job.id}.${job.dispatch}`;
}

export function encodeJob(job: ImageJob, token: string): Uint8Array {
  const message: JobMessage = {
    message_id: job.id,
    uuid: job.inputImageId,
    prompt: job.prompt,
    prompt_guidance: job.promptGuidance,
    strength: job.strength,
    model_type: job.modelType,
    token,
    dispatch: job.dispatch,
    seed: job.seed,
    image_count: job.imageCount,
  };
  return Buffer.from(JSON.stringify(message));
}

/** A job's message as our own servers wrote it. Throws {@link MalformedMessage}. */
export function decodeJob(body: Uint8Array): JobMessage {
  const fields = decodeObject(body);
  const isNot = (type: string) => (name: string) => typeof fields[name] !== type;
  const texts = ["message_id", "uuid", "prompt", "model_type", "token"];
  const numbers = ["prompt_guidance", "strength", "dispatch", "seed", "image_count"];
  const broken = texts.find(isNot("string")) ?? numbers.find(isNot("number"));
  if (broken !== undefined) throw new MalformedMessage(`${broken} is missing or of the wrong type`);
  return fields as unknown as JobMessage;
}

export function encodeResult(result: ResultMessage): Uint8Array {
  return Buffer.from(JSON.stringify(result));
}

/** Throws {@link MalformedMessage}, whose message says what is wrong. */
export function decodeResult(body: Uint8Array): Result {
  const fields = decodeObject(body);
  const jobId = fields.message_id;
  if (typeof jobId !== "string" || !isId(jobId)) throw new MalformedMessage("message_id is no job's id");
  return { jobId, attempt: decodeAttempt(fields.attempt), outcome: decodeOutcome(fields) };
}

export class MalformedMessage extends Error {
  override readonly name = "MalformedMessage";
}

function decodeAttempt(attempt: unknown): number | null {
  if (attempt === undefined || attempt === null) return null;
  if (typeof attempt === "number" && Number.isSafeInteger(attempt) && attempt >= 1) return attempt;
  throw new MalformedMessage("attempt is not a number from 1");
}

function decodeOutcome(fields: Record<string, unknown>): Outcome {
  if (fields.error !== undefined && fields.error !== null) return decodeFailure(fields.error);
  const names: unknown = fields.uuids_processed ?? [fields.uuid_processed];
  if (!Array.isArray(names) || names.length < 1 || names.length > 4 || !names.every(isName))
    throw new MalformedMessage("uuid_processed names no picture");
  return names.every(isId) ? { kind: "succeeded", imageIds: names } : unfetchable;
}

function isName(name: unknown): name is string {
  return typeof name === "string" && name !== "";
}

/** Nobody could fetch the picture, so the job fails without a retry. */
const unfetchable: Outcome = {
  kind: "failed",
  error: {
    reason: "PICTURE_ID_UNUSABLE",
    message: "the worker's name for the picture is no id: 1 to 64 letters, digits, '-' and '_'",
  },
  retryable: false,
};

function decodeFailure(error: unknown): Outcome {
  const { reason, message, retryable } = error as Record<string, unknown>;
  if (typeof reason !== "string" || typeof message !== "string") {
    throw new MalformedMessage("error has no reason or no message");
  }
  return {
    kind: "failed",
    error: { reason: reason.slice(0, 64).toWellFormed(), message: message.slice(0, 2000).toWellFormed() },
    retryable: retryable === true,
  };
}

function decodeObject(body: Uint8Array): Record<string, unknown> {
  let decoded: unknown;
  try {
    decoded = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw new MalformedMessage("the body is not JSON", { cause });
  }
  if (typeof decoded !== "object" || decoded === null || Array.isArray(decoded)) {
    throw new MalformedMessage("the body is not a JSON object");
  }
  return decoded as Record<string, unknown>;
}
