import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import * as auth from "../../../gen/darkroom/auth/v1/auth_pb.ts";
import * as imagejob from "../../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import type { Tokens } from "../../core/accounts/sessions.ts";
import type { Account, Role } from "../../model/account.ts";
import type { AuditEvent } from "../../model/audit.ts";
import type { Client, Scope } from "../../model/client.ts";
import { invalidField } from "../../model/errors.ts";
import type { ImageInfo } from "../../model/image.ts";
import type { ImageJob, JobState } from "../../model/image-job.ts";
import type { Principal } from "../../model/principal.ts";
import { type Session, sessionEnd } from "../../model/session.ts";
import type { SigningKey } from "../../model/signing-key.ts";

export function toAccount(account: Account): auth.Account {
  return create(auth.AccountSchema, {
    id: account.id,
    username: account.username,
    email: account.email ?? "",
    role: account.role === "admin" ? auth.Role.ADMIN : auth.Role.USER,
    createTime: timestampFromMs(account.createdAt),
    disabled: account.disabled,
  });
}

export function fromRole(role: auth.Role): Role {
  if (role === auth.Role.ADMIN) return "admin";
  if (role === auth.Role.USER) return "user";
  throw invalidField("role", "must be ROLE_USER or ROLE_ADMIN");
}

export function toClient(client: Client, scopes: readonly Scope[] = client.scopes): auth.Client {
  const { id, name, description, disabled } = client;
  return create(auth.ClientSchema, {
    id,
    name,
    description,
    scopes: [...scopes],
    disabled,
    limitPerMinute: client.limitPerMinute ?? 0,
    createTime: timestampFromMs(client.createdAt),
    expireTime: timeOf(client.expiresAt),
    lastUseTime: timeOf(client.lastUsedAt),
    previousKeyExpireTime: timeOf(client.previousKeyUntil),
  });
}

export function toSession(session: Session, currentId: string): auth.Session {
  return create(auth.SessionSchema, {
    id: session.id,
    userAgent: session.userAgent,
    address: session.address,
    createTime: timestampFromMs(session.createdAt),
    lastUseTime: timestampFromMs(session.lastUsedAt),
    expireTime: timestampFromMs(sessionEnd(session)),
    current: session.id === currentId,
  });
}

export function toSigningKey({ id, algorithm, createdAt, activeAt, expiresAt }: SigningKey): auth.SigningKey {
  return create(auth.SigningKeySchema, {
    id,
    algorithm,
    createTime: timestampFromMs(createdAt),
    activateTime: timestampFromMs(activeAt),
    expireTime: timeOf(expiresAt),
  });
}

export function toAuditEvent({ at, ...event }: AuditEvent): auth.AuditEvent {
  return create(auth.AuditEventSchema, { ...event, time: timestampFromMs(at) });
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
  return create(auth.PrincipalSchema, principalFields(principal));
}

function principalFields(principal: Principal): MessageInitShape<typeof auth.PrincipalSchema> {
  const { USER, CLIENT, JOB, WORKER } = auth.Principal_Kind;
  switch (principal.kind) {
    case "user":
      return { kind: USER, account: toAccount(principal.account), sessionId: principal.sessionId };
    case "client":
      return { kind: CLIENT, client: toClient(principal.client, principal.scopes) };
    case "job": {
      const { jobId, owner } = principal;
      const of = owner.kind === "user" ? { account: toAccount(owner.account) } : { client: toClient(owner.client) };
      return { kind: JOB, jobId, ...of };
    }
    case "worker":
      return { kind: WORKER };
  }
}

/** Rounded: stores may have parts of a millisecond, of which protobuf makes no timestamp. */
function timeOf(at: number | null): Timestamp | undefined {
  return at === null ? undefined : timestampFromMs(Math.round(at));
}

export function toImage(image: ImageInfo): imagejob.Image {
  return create(imagejob.ImageSchema, {
    id: image.id,
    contentType: image.type,
    width: image.width,
    height: image.height,
    sizeBytes: BigInt(image.size ?? 0),
    createTime: timeOf(image.createdAt),
    expireTime: timeOf(image.expiresAt),
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
    error: job.error ?? undefined,
    outputImageIds: [...job.outputImageIds],
    createTime: timestampFromMs(job.createdAt),
    queueTime: timestampFromMs(job.queuedAt),
    startTime: timeOf(job.startedAt),
    endTime: timeOf(job.endedAt),
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

/** Protobuf's range of timestamps: from the year 1 to the end of 9999. */
const timestampSeconds = { min: -62_135_596_800n, max: 253_402_300_799n };
/** Protobuf's longest duration: about 10,000 years either way. */
const durationSecondsMax = 315_576_000_000n;
const nanosMax = 999_999_999;

/** Whole milliseconds since 1970, rounded down. JSON has no times outside these limits, but binary messages may. */
export function fromTimestamp(field: string, timestamp: Timestamp | undefined): number | undefined {
  if (timestamp === undefined) return undefined;
  const { seconds, nanos } = timestamp;
  const { min, max } = timestampSeconds;
  if (seconds < min || seconds > max || nanos < 0 || nanos > nanosMax)
    throw invalidField(field, `must be in the years 1 to 9999, with 0 to ${nanosMax} nanos`);
  return Number(seconds) * 1000 + Math.floor(nanos / 1e6);
}

/** Milliseconds. */
export function fromDuration(field: string, { seconds, nanos }: Pick<Duration, "seconds" | "nanos"> = none): number {
  const sign = seconds < 0n || nanos < 0 ? -1 : 1;
  const [secondsSize, nanosSize] = [BigInt(sign) * seconds, sign * nanos];
  if (secondsSize < 0n || secondsSize > durationSecondsMax || nanosSize < 0 || nanosSize > nanosMax)
    throw invalidField(
      field,
      `must be at most ${durationSecondsMax} seconds, with at most ${nanosMax} nanos of their sign`,
    );
  return Number(seconds) * 1000 + nanos / 1e6;
}

const none = { seconds: 0n, nanos: 0 };
