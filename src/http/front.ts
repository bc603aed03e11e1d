import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { isIP } from "node:net";
import cors from "cors";
import proxyAddress from "proxy-addr";
import type { Call } from "../model/call.ts";
import type { DomainError } from "../model/errors.ts";
import { ownerIdOf, type Principal } from "../model/principal.ts";
import type { Log } from "../ports/log.ts";
import { createBodyLimit } from "./body-limit.ts";
import type { PortResponse } from "./messages.ts";
import type { PortListener } from "./port.ts";
import { newRequestId } from "./request-id.ts";
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
  /** Whose word on where a request comes from is taken; undefined for nobody's. */
  readonly trusted: ((address: string, hops: number) => boolean) | undefined;
  /** Whether the load allows no more. */
  readonly shed: Shed;
  /** How long a request's body may take to arrive, from its headers on. */
  readonly bodyMs: number;
  readonly log: Log;
}

const requestIdPattern = /^[\w.-]{1,64}$/;
const limitHeaders = ["ratelimit", "ratelimit-policy", "retry-after"];
const supabaseHeaders = ["apikey", "content-type", "x-client-info", "x-supabase-api-version"];
const ownHeaders = {
  sent: ["authorization", "x-api-key", "x-request-id", ...supabaseHeaders],
  read: ["location", "x-request-id", ...limitHeaders],
};
const preflightMaxAgeS = 7200;
const pathMax = 256;
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
    const call = callOf(request, response, trusted);
    response.common["x-request-id"] = call.requestId;
    response.common["x-content-type-options"] = "nosniff";
    let refusal: DomainError | undefined;
    response.on("close", () => {
      // One line for many of those: see shedding.ts.
      if (refusal === undefined) writeLine(request, response, call, start, log);
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

function callOf(request: IncomingMessage, response: PortResponse, trusted: FrontOptions["trusted"]): Call {
  const wanted = request.headers["x-request-id"];
  return {
    requestId: typeof wanted === "string" && requestIdPattern.test(wanted) ? wanted : newRequestId(),
    address: trusted === undefined ? addressOf(request) : forwardedAddress(request, trusted),
    userAgent: request.headers["user-agent"] ?? "",
    authorization: request.headers.authorization,
    apiKey: request.headers["x-api-key"]?.toString(),
    setHeader: (name, value) => {
      response.common[name] = value;
    },
    isSecure: isEncrypted(request) || isForwardedSecure(request, trusted),
  };
}

function addressOf(request: IncomingMessage | Http2ServerRequest): string {
  // Over HTTP/2 each request would make a view of the socket of its own.
  const socket = "stream" in request ? request.stream.session?.socket : request.socket;
  return socket?.remoteAddress ?? "";
}

function isEncrypted(request: IncomingMessage | Http2ServerRequest): boolean {
  return "stream" in request ? request.stream.session?.encrypted === true : "encrypted" in request.socket;
}

/** Whether a trusted proxy says that it was called by TLS. */
function isForwardedSecure(request: IncomingMessage, trusted: FrontOptions["trusted"]): boolean {
  return trusted?.(addressOf(request), 0) === true && request.headers["x-forwarded-proto"] === "https";
}

/** The last address that no trusted proxy vouches for; some proxies write its port too. */
function forwardedAddress(request: IncomingMessage, trusted: NonNullable<FrontOptions["trusted"]>): string {
  const named = proxyAddress(request, trusted);
  const address = /^\[(.+)\](:\d+)?$/.exec(named)?.[1] ?? /^([\d.]+):\d+$/.exec(named)?.[1] ?? named;
  return isIP(address) === 0 ? addressOf(request) : address;
}

function named(principal: Principal): Record<string, string> {
  if (principal.kind === "user") return { account: principal.account.id };
  if (principal.kind === "client") return { client: principal.client.id };
  if (principal.kind === "worker") return { worker: "service key" };
  return { job: principal.jobId, owner: ownerIdOf(principal.owner) };
}

/** Without the query, which may hold what is nobody's business, and without any header. */
function writeLine(request: IncomingMessage, response: ServerResponse, call: Call, start: number, log: Log): void {
  const { principal } = call;
  log.info(
    {
      request_id: call.requestId,
      method: request.method,
      path: pathOf(request.url ?? ""),
      http: request.httpVersion,
      status: response.statusCode,
      outcome: call.outcome,
      complete: response.writableFinished,
      ms: Math.round((performance.now() - start) * 10) / 10,
      ...(principal === undefined ? {} : named(principal)),
      address: call.address,
    },
    "request",
  );
}

function pathOf(url: string): string {
  const query = url.indexOf("?");
  return url.slice(0, query === -1 ? pathMax : Math.min(query, pathMax));
}
