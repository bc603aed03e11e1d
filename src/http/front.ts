import { randomUUID } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest } from "node:http2";
import { isIP } from "node:net";
import cors from "cors";
import proxyAddress from "proxy-addr";
import type { Call } from "../model/call.ts";
import { ownerIdOf, type Principal } from "../model/principal.ts";
import type { Log } from "../ports/log.ts";

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
  /** How long a request's body may take to arrive, from its headers on. */
  readonly bodyMs: number;
  readonly log: Log;
}

const requestIdPattern = /^[\w.-]{1,64}$/;
const limitHeaders = ["ratelimit", "ratelimit-policy", "retry-after"];
const ownHeaders = { sent: ["authorization", "x-api-key", "x-request-id"], read: ["x-request-id", ...limitHeaders] };
const preflightMaxAgeS = 7200;
const pathMax = 256;

const noCors = (_request: IncomingMessage, _response: ServerResponse, next: () => void) => next();

/** What every request meets first, whatever it speaks: an id, a time limit, a line in the log, and the CORS rules. */
export function createFront({ rpc, routes, cors: allowed, trusted, bodyMs, log }: FrontOptions): RequestListener {
  const applyCors =
    allowed.origins.length === 0
      ? noCors
      : cors({
          origin: [...allowed.origins],
          methods: ["GET", "POST"],
          allowedHeaders: [...allowed.sent, ...ownHeaders.sent],
          exposedHeaders: [...allowed.read, ...ownHeaders.read],
          maxAge: preflightMaxAgeS,
        });

  return (request, response) => {
    const call = callOf(request, response, trusted);
    response.setHeader("x-request-id", call.requestId);
    response.setHeader("x-content-type-options", "nosniff");
    limitBody(request, bodyMs);
    keepWhenLeft(request);
    response.once("finish", () => discardRest(request));
    logWhenDone(request, response, call, log);
    try {
      applyCors(request, response, () => {
        if (!rpc(request, response, call)) routes(request, response, call);
      });
    } catch (error) {
      // A host or a path that is none; nothing has looked at the request yet.
      log.debug({ err: error, request_id: call.requestId }, "a request could not be read");
      response.writeHead(400, { "content-type": "text/plain" }).end("the request's host or path is malformed\n");
    }
  };
}

function callOf(request: IncomingMessage, response: ServerResponse, trusted: FrontOptions["trusted"]): Call {
  const wanted = request.headers["x-request-id"];
  return {
    requestId: typeof wanted === "string" && requestIdPattern.test(wanted) ? wanted : randomUUID(),
    address: trusted === undefined ? (request.socket.remoteAddress ?? "") : forwardedAddress(request, trusted),
    userAgent: request.headers["user-agent"] ?? "",
    setHeader: (name, value) => void response.setHeader(name, value),
  };
}

/** The last address that no trusted proxy vouches for; some proxies write its port too. */
function forwardedAddress(request: IncomingMessage, trusted: NonNullable<FrontOptions["trusted"]>): string {
  const named = proxyAddress(request, trusted);
  const address = /^\[(.+)\](:\d+)?$/.exec(named)?.[1] ?? /^([\d.]+):\d+$/.exec(named)?.[1] ?? named;
  return isIP(address) === 0 ? (request.socket.remoteAddress ?? "") : address;
}

/** Cuts a request whose body does not come: half a body holds memory for as long as its sender likes. */
function limitBody(request: IncomingMessage, bodyMs: number): void {
  const timer = setTimeout(() => cut(request), bodyMs);
  request.once("end", () => clearTimeout(timer));
  request.once("close", () => clearTimeout(timer));
}

/**
 * Who iterates over a body and leaves early destroys it, and nothing reads its connection any more: the refusal's answer
 * still goes out over HTTP/1.1, but no later request comes in.
 */
function keepWhenLeft(request: IncomingMessage): void {
  request[Symbol.asyncIterator] = () => request.iterator({ destroyOnReturn: false });
}

/** What was refused before it was read: the connection's next request waits behind it. The body's time limit still holds. */
function discardRest(request: IncomingMessage): void {
  if (request.readableEnded) return;
  request.unpipe();
  request.resume();
}

function cut(request: IncomingMessage | Http2ServerRequest): void {
  // Over HTTP/2 the request is but a view of its stream, and would leave it open.
  if ("stream" in request) request.stream.close(constants.NGHTTP2_CANCEL);
  else request.destroy();
}

function named(principal: Principal): Record<string, string> {
  if (principal.kind === "user") return { account: principal.account.id };
  if (principal.kind === "client") return { client: principal.client.id };
  if (principal.kind === "worker") return { worker: "service key" };
  return { job: principal.jobId, owner: ownerIdOf(principal.owner) };
}

/** Without the query, which may hold what is nobody's business, and without any header. */
function logWhenDone(request: IncomingMessage, response: ServerResponse, call: Call, log: Log): void {
  const start = performance.now();
  response.once("close", () => {
    const { principal } = call;
    log.info(
      {
        request_id: call.requestId,
        method: request.method,
        path: request.url?.split("?", 1)[0]?.slice(0, pathMax),
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
  });
}
