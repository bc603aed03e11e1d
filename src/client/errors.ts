import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type ImageJob, stateName } from "./api.ts";

/** The job ended, but not with a picture. */
export class DevelopError extends Error {
  override readonly name = "DevelopError";
  /** Stable, for programs: for example `PROMPT_NOT_UNDERSTOOD`. */
  readonly reason: string;
  readonly job: ImageJob;

  constructor(job: ImageJob) {
    super(job.error?.message || `the job was ${stateName(job.state)}`);
    this.reason = job.error?.reason ?? "";
    this.job = job;
  }
}

/** The stable reason of an error that the server answered with, or undefined for any other. */
export function reasonOf(error: unknown): string | undefined {
  return error instanceof ConnectError ? error.findDetails(ErrorInfoSchema)[0]?.reason : undefined;
}

/**
 * Whether the same call may do better later: the server is away or too busy, or the connection broke. A call that its
 * caller aborted looks like one whose connection broke: look at your own signal first.
 */
export function isTransient(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  if ([Code.Unavailable, Code.ResourceExhausted, Code.DeadlineExceeded].includes(code)) return true;
  // A broken connection has one of these; so may an answer, but ours always give a reason.
  return [Code.Canceled, Code.Aborted, Code.Internal, Code.Unknown].includes(code) && reasonOf(error) === undefined;
}

/** Whether a credential was refused, or a password or a key that the call itself brought. */
export function isUnauthenticated(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unauthenticated;
}

const credentialReasons = ["CREDENTIAL_INVALID", "SESSION_ENDED", "ACCOUNT_UNUSABLE"];

/** Whether it was the credential that was refused, so that another may do. */
export function isCredentialRefused(error: unknown): boolean {
  return isUnauthenticated(error) && credentialReasons.includes(reasonOf(error) ?? "");
}

/** How many milliseconds the server asks to wait, or undefined when it does not say. */
export function retryDelayOf(error: unknown): number | undefined {
  const delay = error instanceof ConnectError ? error.findDetails(RetryInfoSchema)[0]?.retryDelay : undefined;
  return delay && durationMs(delay);
}

/** For people: what went wrong, with the fields that broke a rule. */
export function describe(error: unknown): string {
  const wire = ConnectError.from(error);
  const violations = wire.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  return violations.length > 0
    ? violations.map(({ field, description }) => `${field} ${description}`).join("; ")
    : wire.rawMessage;
}
