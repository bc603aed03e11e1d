import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import cors from "cors";
import type { Call } from "../model/call.ts";
import type { DomainError } from "../model/errors.ts";
import type { TrustedProxies } from "../model/settings.ts";
import type { Log } from "../ports/log.ts";
import { logRequest } from "./access-log.ts";
import { createBodyLimit } from "./overload/body-limit.ts";
import type { Shed } from "./overload/shedding.ts";
import { type CallsMax, CallsUnderWay } from "./overload/under-way.ts";
import { HttpCall, trustedByAddress } from "./server/http-call.ts";
import { cutAnswer, type HttpResponse, type RequestListener } from "./server/http-messages.ts";
import { formFaultOf } from "./server/plain-form.ts";

export interface FrontOptions {
  /** Answers RPCs; false for any other request. */
  readonly rpc: (request: IncomingMessage, response: ServerResponse, call: Call) => boolean;
  /** Answers everything else. */
  readonly routes: (request: IncomingMessage, response: ServerResponse, call: Call) => void;
  readonly cors: {
    readonly origins: readonly string[];
    readonly exposedHeaders: readonly string[];
  };
  readonly trusted: TrustedProxies;
  /** Why a request is refused for the page that may have made it, where there is such a rule. */
  readonly refusePage?: (headers: IncomingHttpHeaders) => DomainError | undefined;
  /** Refuses a request when the load is too high. */
  readonly shed: Shed;
  readonly callsMax: CallsMax;
  /** How long a request's body may take to arrive after its headers, and for how long a caller may take nothing of an answer. */
  readonly bodyMs: number;
  readonly log: Log;
}

const ownExposedHeaders = [
  "location",
  "x-request-id",
  "ratelimit",
  "ratelimit-policy",
  "retry-after",
  "www-authenticate",
];
const preflightMaxAgeS = 7200;
/** A refusal is delayed about as long as an answer takes, so that callers that retry at once, as some do, cost less. */
const refusalMs = 100;

/** Pages of these origins may send any header. Their requests carry no cookie, since credentials are not allowed. */
function corsOf({ origins, exposedHeaders }: FrontOptions["cors"]) {
  if (origins.length === 0) return noCors;
  return cors({
    origin: [...origins],
    methods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    exposedHeaders: [...exposedHeaders, ...ownExposedHeaders],
    maxAge: preflightMaxAgeS,
  });
}

const noCors = (_request: IncomingMessage, _response: ServerResponse, next: () => void) => next();

/** The path and query of a URL that has its origin before them, as to a proxy: RFC 9112, section 3.2.2. */
function withoutOrigin(url: string): string {
  const rest = url.replace(/^https?:\/\/[^/?#]*/i, "");
  return rest === url || rest.startsWith("/") ? rest : `/${rest}`;
}

/** What every request meets first, whatever it speaks: an id, a time limit, a line in the log, and the CORS rules. */
export function createFront(options: FrontOptions): RequestListener {
  const { rpc, routes, refusePage, shed, log } = options;
  const trusted = trustedByAddress(options.trusted);
  const expectBody = createBodyLimit(options.bodyMs, options.callsMax.all / 2);
  const applyCors = corsOf(options.cors);
  const underWay = new CallsUnderWay(options.callsMax, options.bodyMs);

  function answer(request: IncomingMessage, response: HttpResponse, call: Call): void {
    try {
      if (!rpc(request, response, call)) routes(request, response, call);
    } catch (error) {
      refuseForm(error, response, call);
    }
  }

  /** For a request that nothing has looked at yet. What follows it may be something else to others. */
  function refuseForm(error: unknown, response: HttpResponse, call: Call): void {
    log.debug({ err: error, request_id: call.requestId }, "a request could not be read");
    response.shouldKeepAlive = false;
    response.writeHead(400, { "content-type": "text/plain" });
    response.end("the request's version, host, path or transfer-encoding is malformed\n");
  }

  return (request, response) => {
    if (request.url?.startsWith("/") === false) request.url = withoutOrigin(request.url);
    const call: Call = new HttpCall(request, response, trusted);
    // The caller has reset the connection or the stream already: nobody reads an answer, or can be held to what was asked.
    if (call.address === "") return cutAnswer(response);
    response.common["x-request-id"] = call.requestId;
    response.common["x-content-type-options"] = "nosniff";
    let refusal: DomainError | undefined;
    const open = underWay.add(response, call.address);
    response.on("close", () => {
      underWay.remove(open);
      // Refused requests share a line: see shedding.ts.
      if (refusal === undefined) logRequest(log, request, response, call);
    });
    expectBody(open);
    const fault = formFaultOf(request);
    if (fault !== undefined) return refuseForm(fault, response, call);
    applyCors(request, response, () => {
      refusal = shed(call, request, response, underWay.isTooMany(call.address, call.startedAt));
      if (refusal === undefined) {
        call.refusal = refusePage?.(request.headers);
        return answer(request, response, call);
      }
      call.refusal = refusal;
      setTimeout(answer, refusalMs, request, response, call);
    });
  };
}
