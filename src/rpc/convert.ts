import { create } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import * as auth from "../../gen/darkroom/auth/v1/auth_pb.ts";
import * as imagejob from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import type { Tokens } from "../core/sessions.ts";
import type { Account } from "../model/account.ts";
import { invalidField } from "../model/errors.ts";
import type { Image } from "../model/image.ts";
import type { ImageJob, JobState } from "../model/image-job.ts";
import type { Principal } from "../model/principal.ts";

export function toAccount(account: Account): auth.Account {
  return create(auth.AccountSchema, {
    id: account.id,
    username: account.username,
    email: account.email ?? "",
    role: account.role === "admin" ? auth.Role.ADMIN : auth.Role.USER,
    createTime: timestampFromMs(account.createdAt),
  });
}

export function toTokens(tokens: Tokens): auth.Tokens {
  return create(auth.TokensSchema, {
    accessToken: tokens.accessToken,
    accessTokenExpireTime: timestampFromMs(tokens.accessTokenExpiresAt),
    refreshToken: tokens.refreshToken,
    refreshTokenExpireTime: timestampFromMs(tokens.refreshTokenExpiresAt),
  });
}

export function toPrincipal(principal: Principal): auth.Principal {
  const account = toAccount(principal.account);
  return create(
    auth.PrincipalSchema,
    principal.kind === "user"
      ? { kind: auth.Principal_Kind.USER, account, sessionId: principal.sessionId }
      : { kind: auth.Principal_Kind.JOB, account, jobId: principal.jobId },
  );
}

export function toImage(image: Image): imagejob.Image {
  return create(imagejob.ImageSchema, {
    id: image.id,
    contentType: image.type,
    width: image.width,
    height: image.height,
    sizeBytes: BigInt(image.size),
    createTime: timestampFromMs(image.createdAt),
    expireTime: timestampFromMs(image.expiresAt),
  });
}

const states: Readonly<Record<JobState, imagejob.State>> = {
  QUEUED: imagejob.State.QUEUED,
  RUNNING: imagejob.State.RUNNING,
  SUCCEEDED: imagejob.State.SUCCEEDED,
  FAILED: imagejob.State.FAILED,
  CANCELLED: imagejob.State.CANCELLED,
  EXPIRED: imagejob.State.EXPIRED,
};

export function toImageJob(job: ImageJob): imagejob.ImageJob {
  return create(imagejob.ImageJobSchema, {
    id: job.id,
    state: states[job.state],
    prompt: job.prompt,
    promptGuidance: job.promptGuidance,
    strength: job.strength,
    modelType: job.modelType,
    imageId: job.inputImageId,
    seed: job.seed,
    imageCount: job.imageCount,
    attempt: job.attempt,
    progress: job.progress,
    ...(job.error === null ? {} : { error: job.error }),
    outputImageIds: [...job.outputImageIds],
    createTime: timestampFromMs(job.createdAt),
    queueTime: timestampFromMs(job.queuedAt),
    ...(job.startedAt === null ? {} : { startTime: timestampFromMs(job.startedAt) }),
    ...(job.endedAt === null ? {} : { endTime: timestampFromMs(job.endedAt) }),
    deadline: timestampFromMs(job.deadline),
    version: BigInt(job.version),
    requestId: job.requestId,
  });
}

export function fromStates(wanted: readonly imagejob.State[]): JobState[] {
  return wanted.map((state) => {
    const found = Object.entries(states).find(([, value]) => value === state)?.[0];
    if (found === undefined) throw invalidField("states", "must be states a job can have");
    return found as JobState;
  });
}

export function fromTimestamp(timestamp: Timestamp | undefined): number | undefined {
  return timestamp && timestampMs(timestamp);
}

/** Milliseconds. Unlike the library's, keeps a length that is out of range out of range. */
export function fromDuration(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

export const toDuration = durationFromMs;
export const toTimestamp = timestampFromMs;
