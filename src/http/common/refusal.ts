import type { FastifyReply, FastifyRequest } from "fastify";
import { challengeOf } from "../../model/auth-headers.ts";
import { DomainError } from "../../model/errors.ts";
import type { Log } from "../../ports/log.ts";

/** How an API puts its refusals. */
export interface RefusalTerms<Body> {
  /** Undefined for an error that nobody foresaw. */
  readonly toBody: (error: unknown, request: FastifyRequest) => Body | undefined;
  readonly unforeseen: (requestId: string) => Body;
  readonly send: (reply: FastifyReply, body: Body) => FastifyReply;
}

/** Answers what a route or a hook threw, in the API's terms. What nobody foresaw is logged with its cause. */
export function refuseBy<Body>({ toBody, unforeseen, send }: RefusalTerms<Body>, log: Log) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { requestId } = request.call;
    noteRefusal(error, request, reply);
    const body = toBody(error, request);
    if (body !== undefined) return send(reply, body);
    log.error({ err: error, request_id: requestId }, "a request failed unexpectedly");
    return send(reply, unforeseen(requestId));
  };
}

/** Adds what every refusal has beside its body, whatever the body's shape: the reason in the log, and headers. */
function noteRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  if (!(error instanceof DomainError)) return;
  request.call.outcome = error.reason;
  const challenge = challengeOf(error);
  if (challenge !== undefined) reply.header("www-authenticate", challenge);
  reply.headers(retryHeader(error));
}

/** Sends the body whatever the route's schema says of an answer with this status. */
export function sendJson(reply: FastifyReply, status: number, body: object, type = "application/json"): FastifyReply {
  return reply.code(status).type(type).send(JSON.stringify(body));
}

/** Fastify's own refusal, such as of a body that is too large or cannot be read; undefined for any other error. */
export function frameworkRefusal(error: unknown): { readonly status: number; readonly message: string } | undefined {
  const { statusCode: status, message } = error as { statusCode?: unknown; message?: unknown };
  const isRefusal = typeof status === "number" && status >= 400 && status < 500;
  return isRefusal ? { status, message: String(message) } : undefined;
}

/** Whether the error says that a body is no JSON. */
export function isUnreadableJson(error: unknown): boolean {
  return error instanceof SyntaxError || (error as { code?: unknown }).code === "FST_ERR_CTP_INVALID_JSON_BODY";
}

export function retryHeader({ retryAfterMs }: DomainError): Record<string, string> {
  return retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
}
