import type { IncomingMessage, ServerResponse } from "node:http";
import cors from "cors";
import type { Call } from "../model/call.ts";
import type { DomainError } from "../model/errors.ts";
import type { Log } from "../ports/log.ts";
import { logRequest } from "./access-log.ts";
import { createBodyLimit } from "./body-limit.ts";
import type { PortResponse } from "./messages.ts";
import type { PortListener } from "./port.ts";
import { PortCall, type Trusted } from "./port-call.ts";
import type { Shed } from "./shedding.ts";

export interface FrontOptions {
  /** Answers RPCs; false for any other request. */
  readonly rpc: (request: IncomingMessage, response: ServerResponse, call: Call) => boolean;
  /** Answers everything else. */
  readonly routes: (request: IncomingMessage, response: ServerResponse, call: Call) => void;
  readonly cors: {
    readonly origins: readonly string[];
    readonly sent: readonly string[];
    readonly read: readonly string[];
  };
  readonly trusted: Trusted;
  /** Whether the load allows no more. */
  readonly shed: Shed;
  /** How long a request's body may take to arrive, from its headers on. */
  readonly bodyMs: number;
  readonly log: Log;
}

const limitHeaders = ["ratelimit", "ratelimit-policy", "retry-after"];
const supabaseHeaders = ["apikey", "content-type", "x-client-info", "x-supabase-api-version"];
const ownHeaders = {
  sent: ["authorization", "x-api-key", "x-request-id", ...supabaseHeaders],
  read: ["location", "x-request-id", ...limitHeaders],
};
const preflightMaxAgeS = 7200;
/** A refusal comes about as late as an answer would have: who calls again at once, as some do, costs less so. */
const refusalMs = 100;

const noCors = (_request: IncomingMessage, _response: ServerResponse, next: () => void) => next();

/** What every request meets first, whatever it speaks: an id, a time limit, a line in the log, and the CORS rules. */
export function createFront({ rpc, routes, cors: allowed, trusted, shed, bodyMs, log }: FrontOptions): PortListener {
  const bodyLimit = createBodyLimit(bodyMs);
  const applyCors =
    allowed.origins.length === 0
      ? noCors
      : cors({
          origin: [...allowed.origins],
          methods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
          allowedHeaders: [...allowed.sent, ...ownHeaders.sent],
          exposedHeaders: [...allowed.read, ...ownHeaders.read],
          maxAge: preflightMaxAgeS,
        });

  function answer(request: IncomingMessage, response: PortResponse, call: Call): void {
    try {
      if (!rpc(request, response, call)) routes(request, response, call);
    } catch (error) {
      // A host or a path that is none; nothing has looked at the request yet.
      log.debug({ err: error, request_id: call.requestId }, "a request could not be read");
      response.writeHead(400, { "content-type": "text/plain" }).end("the request's host or path is malformed\n");
    }
  }

  return (request, response) => {
    const start = performance.now();
    const call: Call = new PortCall(request, response, trusted);
    response.common["x-request-id"] = call.requestId;
    response.common["x-content-type-options"] = "nosniff";
    let refusal: DomainError | undefined;
    response.on("close", () => {
      // One line for many of those: see shedding.ts.
      if (refusal === undefined) logRequest(log, request, response, call, start);
    });
    bodyLimit.expect(response);
    applyCors(request, response, () => {
      refusal = shed(request, response, start);
      if (refusal === undefined) return answer(request, response, call);
      call.refusal = refusal;
      setTimeout(answer, refusalMs, request, response, call);
    });
  };
}
