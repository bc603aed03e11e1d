import { STATUS_CODES } from "node:http";
import type { FastifyReply } from "fastify";
import { DomainError, type ErrorCode, type FieldViolation } from "../../model/errors.ts";
import { frameworkRefusal, sendJson } from "./refusal.ts";

export const statuses: Readonly<Record<ErrorCode, number>> = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 409,
  aborted: 409,
  resource_exhausted: 429,
  unavailable: 503,
};

export const bodyTypeUnsupported = "BODY_TYPE_UNSUPPORTED";
/** The statuses of reasons that HTTP tells from others with the same code. */
const ownStatuses: Readonly<Record<string, number>> = { [bodyTypeUnsupported]: 415 };

/** RFC 9457, with our reason, the fields that broke a rule, and the request's id. */
export interface Problem {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly reason?: string;
  readonly errors?: readonly FieldViolation[];
  readonly request_id: string;
}

/** The answer's body for an error; undefined for one that nobody foresaw. */
export function toProblem(error: unknown, requestId: string): Problem | undefined {
  if (error instanceof DomainError) return fromDomain(error, requestId);
  if (isOfUnknownType(error)) return { ...problem(415, jsonWanted, requestId), reason: bodyTypeUnsupported };
  const refused = frameworkRefusal(error);
  return refused && problem(refused.status, refused.message, requestId);
}

/** Fastify says no more than the status does. Whatever takes a body and answers by problems takes JSON, but for pictures. */
const jsonWanted = "the body's type must be application/json";

/** Whether Fastify has no parser for the body's type. */
export function isOfUnknownType(error: unknown): boolean {
  return (error as { code?: unknown }).code === "FST_ERR_CTP_INVALID_MEDIA_TYPE";
}

export function fromDomain({ code, message, reason, violations }: DomainError, requestId: string): Problem {
  const errors = violations.length > 0 ? { errors: violations } : {};
  return { ...problem(ownStatuses[reason] ?? statuses[code], message, requestId), reason, ...errors };
}

export function problem(status: number, detail: string, requestId: string): Problem {
  return { type: "about:blank", title: STATUS_CODES[status] ?? "Error", status, detail, request_id: requestId };
}

export const problemType = "application/problem+json";

export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  return sendJson(reply, body.status, body, problemType);
}
