import { DomainError, type FieldViolation } from "../../model/errors.ts";
import { statuses } from "../common/problem.ts";
import { frameworkRefusal } from "../common/refusal.ts";

/** How FastAPI refuses. */
export interface Refusal {
  readonly status: number;
  readonly detail: string | readonly Broken[];
}

interface Broken {
  readonly loc: readonly string[];
  readonly msg: string;
  readonly type: string;
}

export const uploadField = "uploadFile";
export const fieldMissing = "must be given";
export const fileExpected = "must be a file";

/** Reasons with another status than elsewhere. */
const ownStatuses: Readonly<Record<string, number>> = { FILE_EXISTS: 403, FILE_TOO_LARGE: 413 };
/** Where a field stands in the request, in Pydantic's terms. */
const places: Readonly<Record<string, readonly string[]>> = { chat_id: ["query", "chat_id"] };
/** Pydantic's words for some rules. */
const terms: Readonly<Record<string, { readonly msg: string; readonly type: string }>> = {
  [fieldMissing]: { msg: "Field required", type: "missing" },
  [fileExpected]: { msg: "Value error, Expected UploadFile, received: <class 'str'>", type: "value_error" },
  "must be a UUID": { msg: "Input should be a valid UUID", type: "uuid_parsing" },
};

/** The answer to an error; undefined for one that nobody foresaw. */
export function toRefusal(error: unknown, authorization = ""): Refusal | undefined {
  if (error instanceof DomainError) return fromDomain(error, authorization);
  const refused = frameworkRefusal(error);
  return refused && { status: refused.status, detail: refused.message };
}

function fromDomain({ code, reason, message, violations }: DomainError, authorization: string): Refusal {
  if (reason === "CREDENTIAL_MISSING") return withoutCredential(authorization);
  if (code === "unauthenticated") return { status: 401, detail: "Invalid token or api key." };
  if (violations.length > 0) return { status: 422, detail: violations.map(toBroken) };
  return { status: ownStatuses[reason] ?? statuses[code], detail: message };
}

/** The refusal when the header holds nothing that could be a credential. */
function withoutCredential(authorization: string): Refusal {
  if (/^(bearer)? *$/i.test(authorization)) return { status: 403, detail: "Authentication credentials missing" };
  const isBearer = /^bearer /i.test(authorization);
  return { status: 401, detail: isBearer ? "Invalid token or api key." : "Token must be Bearer" };
}

function toBroken({ field, rule }: FieldViolation): Broken {
  return { loc: places[field] ?? ["body", uploadField], ...(terms[rule] ?? { msg: rule, type: "value_error" }) };
}
