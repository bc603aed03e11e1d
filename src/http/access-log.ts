import type { IncomingMessage, ServerResponse } from "node:http";
import type { Call } from "../model/call.ts";
import { pathOf } from "../model/path.ts";
import { ownerIdOf, type Principal } from "../model/principal.ts";
import type { Log } from "../ports/log.ts";

type Fields = Record<string, string | number | boolean | undefined>;

const pathMax = 256;

/** One line when a request has ended: without the query, which may hold what is nobody's business, and without any header. */
export function logRequest(
  log: Log,
  request: IncomingMessage,
  response: ServerResponse,
  { requestId, startedAt, address, outcome, principal }: Call,
): void {
  const fields: Fields = {
    request_id: requestId,
    method: request.method,
    path: pathOf(request.url).slice(0, pathMax),
    http: request.httpVersion,
    status: response.statusCode,
    outcome,
    // A stream of HTTP/2 that breaks off finishes, too.
    complete: response.writableEnded && response.writableFinished,
    ms: Math.round((performance.now() - startedAt) * 10) / 10,
    address,
  };
  if (principal !== undefined) name(principal, fields);
  log.info(fields, "request");
}

/** Adds who called. Each field is set by itself: to copy them from a second object would take as long as all the rest. */
function name(principal: Principal, fields: Fields): void {
  if (principal.kind === "user") fields.account = principal.account.id;
  else if (principal.kind === "client") fields.client = principal.client.id;
  else if (principal.kind === "worker") fields.worker = "service key";
  else {
    fields.job = principal.jobId;
    fields.owner = ownerIdOf(principal.owner);
  }
}
