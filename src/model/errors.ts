/**
 * What can go wrong in a way the caller should know, in the terms of Connect and gRPC.
 * rpc/ and http/ each have one exhaustive table from these codes to their wire's.
 */
export type ErrorCode =
  | "invalid_argument"
  | "unauthenticated"
  | "permission_denied"
  | "not_found"
  | "already_exists"
  | "failed_precondition"
  | "aborted"
  | "resource_exhausted"
  | "unavailable";

export interface FieldViolation {
  /** As the API names it, for example `prompt_guidance`. */
  readonly field: string;
  /** The rule that was broken, as a sentence without a full stop. */
  readonly rule: string;
}

/** An expected failure. Its message and details, except the subject, are for the caller: they hold no secret and no internals. */
export class DomainError extends Error {
  override readonly name: string = "DomainError";
  readonly code: ErrorCode;
  /** Stable, for programs; UPPER_SNAKE_CASE. */
  readonly reason: string;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
  /** A client with any of them would not have been refused. */
  readonly scopes: readonly string[];
  /** The audit subject that the error is about. For the audit trail alone: callers must not learn of anybody's account. */
  readonly subject: string;

  constructor(
    code: ErrorCode,
    reason: string,
    message: string,
    details: {
      violations?: readonly FieldViolation[];
      retryAfterMs?: number;
      scopes?: readonly string[];
      subject?: string;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
    this.code = code;
    this.reason = reason;
    this.violations = details.violations ?? [];
    this.retryAfterMs = details.retryAfterMs;
    this.scopes = details.scopes ?? [];
    this.subject = details.subject ?? "";
  }
}

export function invalidFields(violations: readonly FieldViolation[]): DomainError {
  const message = violations.map(({ field, rule }) => `${field}: ${rule}`).join("; ");
  return new DomainError("invalid_argument", "INVALID_FIELD", message, { violations });
}

export function invalidField(field: string, rule: string): DomainError {
  return invalidFields([{ field, rule }]);
}

export function notFound(what: "job" | "image" | "user" | "session" | "client"): DomainError {
  return new DomainError("not_found", `${what.toUpperCase()}_NOT_FOUND`, `there is no such ${what}`);
}

export function isNotFound(error: unknown): boolean {
  return error instanceof DomainError && error.code === "not_found";
}

/** Any of `scopes` would have been enough. */
export function notAllowed(scopes: readonly string[] = []): DomainError {
  const needed = scopes.length > 0 ? `: it needs the scope ${scopes.join(" or ")}` : "";
  const message = `this credential may not make this call${needed}`;
  return new DomainError("permission_denied", "NOT_ALLOWED", message, { scopes });
}

export function unauthenticated(reason: string, message: string, subject = ""): DomainError {
  return new DomainError("unauthenticated", reason, message, { subject });
}

/** By field: the rule that is broken, or undefined. */
export type FieldChecks = Readonly<Record<string, () => string | undefined>>;

/** Runs every check and throws one error that names all fields that broke a rule. */
export function checkFields(checks: FieldChecks): void {
  const violations = brokenFields(checks);
  if (violations.length > 0) throw invalidFields(violations);
}

export function brokenFields(checks: FieldChecks): FieldViolation[] {
  return Object.entries(checks).flatMap(([field, check]) => {
    const rule = check();
    return rule === undefined ? [] : [{ field, rule }];
  });
}
