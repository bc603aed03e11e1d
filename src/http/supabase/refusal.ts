import { passwordMinLength } from "../../model/account.ts";
import { DomainError, type FieldViolation } from "../../model/errors.ts";
import { statuses } from "../common/problem.ts";
import { frameworkRefusal, isUnreadableJson } from "../common/refusal.ts";

/** A refusal as GoTrue, the server behind Supabase's auth, answers it. */
export interface Refusal {
  readonly code: number;
  readonly error_code: string;
  readonly msg: string;
  readonly weak_password?: { readonly reasons: readonly string[] };
  /** The request's id, for an error that nobody foresaw. */
  readonly error_id?: string;
}

export function refusal(code: number, error_code: string, msg: string): Refusal {
  return { code, error_code, msg };
}

export const noPhone = refusal(400, "phone_provider_disabled", "Phone logins are disabled");

const byReason: Readonly<Record<string, Refusal>> = {
  CREDENTIAL_MISSING: refusal(401, "no_authorization", "This endpoint requires a valid Bearer token"),
  CREDENTIAL_INVALID: refusal(403, "bad_jwt", "invalid JWT: unable to parse or verify signature, log in or refresh it"),
  NOT_ALLOWED: refusal(403, "bad_jwt", "invalid claim: the token is not a user's"),
  SESSION_ENDED: refusal(403, "session_not_found", "Session from session_id claim in JWT does not exist"),
  ACCOUNT_UNUSABLE: refusal(403, "user_not_found", "User from sub claim in JWT does not exist"),
  LOGIN_FAILED: refusal(400, "invalid_credentials", "Invalid login credentials"),
  REFRESH_TOKEN_INVALID: refusal(400, "validation_failed", "Refresh token is not valid"),
  REFRESH_TOKEN_REUSED: refusal(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"),
  ACCOUNT_EXISTS: refusal(422, "user_already_exists", "User already registered"),
  SIGNUP_DISABLED: refusal(422, "signup_disabled", "Signups not allowed for this instance"),
  PASSWORD_WRONG: refusal(400, "invalid_credentials", "The current password is wrong"),
  REAUTHENTICATION_NEEDED: refusal(401, "reauthentication_needed", "Password update requires reauthentication"),
  MAIL_NOT_SET_UP: refusal(422, "email_provider_disabled", "Mail is not set up here: ask an administrator"),
};

const newPasswordFields = ["password", "new_password"];
const unreadable = refusal(400, "bad_json", "Could not parse request body as JSON: unexpected end of JSON input");

/** A refusal that only callers of these routes can meet. */
export class Refused extends DomainError {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super("invalid_argument", refusal.error_code.toUpperCase(), refusal.msg);
    this.refusal = refusal;
  }
}

/** The answer's body for an error; undefined for one that nobody foresaw. */
export function toRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refused) return error.refusal;
  if (error instanceof DomainError) return byReason[error.reason] ?? ofRule(error);
  if (isUnreadableJson(error)) return unreadable;
  const refused = frameworkRefusal(error);
  return refused && refusal(refused.status, "validation_failed", refused.message);
}

function ofRule({ code, message, violations: [first] }: DomainError): Refusal {
  if (code === "resource_exhausted") return refusal(429, "over_request_rate_limit", message);
  if (code === "unavailable") return refusal(503, "unexpected_failure", message);
  if (first === undefined) return refusal(statuses[code], "validation_failed", message);
  if (newPasswordFields.includes(first.field)) return ofPassword(first);
  if (first.field === "email")
    return refusal(400, "validation_failed", "Unable to validate email address: invalid format");
  return refusal(400, "validation_failed", message);
}

function ofPassword({ rule }: FieldViolation): Refusal {
  if (/^must (not be empty|have at least )/.test(rule)) {
    const msg = `Password should be at least ${passwordMinLength} characters.`;
    return { ...refusal(422, "weak_password", msg), weak_password: { reasons: ["length"] } };
  }
  if (/choose another$/.test(rule))
    return { ...refusal(422, "weak_password", `Password ${rule}.`), weak_password: { reasons: ["pwned"] } };
  return refusal(400, "validation_failed", `Password ${rule}`);
}
