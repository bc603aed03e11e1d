import { DomainError, type ErrorCode, type FieldViolation } from "../../model/errors.ts";
import { statuses } from "../common/problem.ts";
import { frameworkRefusal, isUnreadableJson } from "../common/refusal.ts";
import { type FieldError, fieldErrors, sentence } from "./field-errors.ts";

/** A refusal as PocketBase answers it. */
export interface Envelope {
  readonly code: number;
  readonly message: string;
  readonly data: Readonly<Record<string, FieldError>>;
}

/** What PocketBase says where a record's change, or a new password, breaks a rule. */
export const changeFailed = "Something went wrong while processing your request.";
export const recordNotFound = envelope(404, "The requested resource wasn't found.");
export const tokenRequired = envelope(401, "The request requires valid record authorization token to be set.");
export const notAllowed = envelope(403, "You are not allowed to perform this request.");

/** Codes that PocketBase does not have: it answers 400, a request that failed. */
const asFailed: readonly ErrorCode[] = ["already_exists", "failed_precondition", "aborted"];
const forUnreadable = "Failed to load the submitted data due to invalid formatting.";

export function envelope(code: number, message: string, data: Envelope["data"] = {}): Envelope {
  return { code, message, data };
}

/**
 * The answer's body for an error; undefined for one that nobody foresaw. `failure` is the route's message for a request that
 * broke a rule; the fields say which.
 */
export function toEnvelope(error: unknown, failure: string | undefined): Envelope | undefined {
  if (error instanceof DomainError) return fromDomain(error, failure);
  if (isUnreadableJson(error)) return envelope(400, forUnreadable);
  const refused = frameworkRefusal(error);
  return refused && envelope(refused.status, sentence(refused.message));
}

export function fromDomain(error: DomainError, failure: string | undefined): Envelope {
  const { code, reason, message, violations } = error;
  if (reason === "LOGIN_FAILED") return envelope(400, failure ?? sentence(message));
  if (reason === "JOB_NOT_FOUND" || reason === "USER_NOT_FOUND") return recordNotFound;
  if (reason === "NOT_ALLOWED") return notAllowed;
  if (reason === "PASSWORD_WRONG") return failed([{ field: "old_password", rule: "is wrong" }], failure);
  if (code === "unauthenticated") return tokenRequired;
  if (violations.length > 0) return failed(violations, failure);
  return envelope(asFailed.includes(code) ? 400 : statuses[code], sentence(message));
}

function failed(violations: readonly FieldViolation[], failure: string | undefined): Envelope {
  const data = fieldErrors(violations);
  const [name = "", first] = Object.entries(data)[0] ?? [];
  return envelope(400, failure ?? `${name}: ${first?.message}`, data);
}
