import type { Readable } from "node:stream";
import replyFrom from "@fastify/reply-from";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Authentication } from "../../core/admission/authentication.ts";
import { confirmation } from "../../core/admission/confirmation.ts";
import { createSlots } from "../../helpers/slots.ts";
import type { Operation } from "../../model/access.ts";
import { ownerOf } from "../../model/call.ts";
import { DomainError, invalidField } from "../../model/errors.ts";
import { pathOf } from "../../model/path.ts";
import { ownerIdOf } from "../../model/principal.ts";
import type { RelaySettings } from "../../model/settings.ts";
import type { Log } from "../../ports/log.ts";
import type { RelayIdentities } from "../../ports/relay-identities.ts";
import { problem, sendProblem } from "../common/problem.ts";
import { limitedBody } from "./body.ts";
import { callerHeaders, upstreamHeaders } from "./headers.ts";
import { lifeOf } from "./life.ts";
import { failureOf, openUpstream, retryDelay } from "./upstream.ts";

const busyRetryMs = 1000;
const chat = "/v1/chat";

const schema = {
  summary: "Anything of the service behind the relay",
  description:
    "Passed on as it is, and its answer back as it comes: with a short-lived signed identity in place of the credential.",
  tags: ["Relay"],
  response: {
    "2xx": anything("What the service answers."),
    "3xx": anything("What the service answers."),
    "4xx": anything("What the service refuses, or, with a problem, the relay."),
    "5xx": anything(
      "What the service answers, or, with a problem, that it cannot be reached (502), did not answer in time (504), or " +
        "that too many calls are open or the database cannot be reached (503).",
    ),
  },
};

function anything(description: string) {
  return { description, content: { "*/*": { schema: {} } } };
}

interface ForwardDeps {
  readonly authentication: Authentication;
  readonly identities: RelayIdentities;
  readonly settings: RelaySettings;
  readonly log: Log;
}

/** Sends `/v1/*` on to the upstream, streamed both ways. */
export async function addForwardRoute(app: FastifyInstance, deps: ForwardDeps): Promise<void> {
  const { authentication, identities, settings, log } = deps;
  const upstream = openUpstream(settings.silenceMs);
  const takeSlot = createSlots({ each: settings.callsMax, all: settings.callsMax });
  app.addHook("onClose", () => upstream.close());
  app.removeAllContentTypeParsers();
  // Bodies are passed on unparsed.
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  await app.register(replyFrom, { undici: upstream.dispatcher, disableCache: true, disableRequestLogging: true });

  function begin(request: FastifyRequest, reply: FastifyReply): AbortSignal {
    const owner = ownerOf(request.call);
    const free = takeSlot(ownerIdOf(owner));
    if (free === undefined) throw busy();
    const confirmed = confirmation(authentication, owner);
    return lifeOf(reply, confirmed.signal, () => {
      free();
      confirmed[Symbol.dispose]();
    });
  }

  const forward = {
    schema,
    async handler(request: FastifyRequest, reply: FastifyReply) {
      const { upstreamUrl } = settings;
      const target = upstreamUrl + plainPathOf(request);
      const life = begin(request, reply);
      const identity = await identities.issue(ownerOf(request.call));
      const body = limitedBody(request.raw, settings.bodyMax);
      const more = { call: request.call, identity, hasBody: body !== undefined };
      request.body = body;
      return upstream.until(life, () =>
        reply.from(target, {
          rewriteRequestHeaders: (_request, headers) => upstreamHeaders(headers, more),
          rewriteHeaders: (headers) =>
            callerHeaders(headers, { target, upstreamUrl, vary: reply.raw.getHeader("vary") }),
          retryDelay,
          onResponse: (_request, _reply, { stream }) => answer(reply, stream as Readable),
          onError: (_reply, { error }) => answerFailure(reply, error.cause ?? error, log),
        }),
      );
    },
  };
  const config = { limitedAs: limitOf };
  app.route({ method: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], url: "/v1/*", config, ...forward });
  // A route of its own has a limit of its own.
  app.route({ method: "POST", url: chat, ...forward });
}

/** Headers go out before the first byte of the body has come: an event stream may be silent at first. */
function answer(reply: FastifyReply, body: Readable): void {
  // A 304 has no body, but may have the length of what it stands for, which undici then misses.
  if (reply.statusCode === 304) {
    body.on("error", () => {}).resume();
    return void reply.send();
  }
  reply.raw.once("pipe", () => reply.raw.flushHeaders());
  reply.send(body);
}

function answerFailure(reply: FastifyReply, error: unknown, log: Log): void {
  const { requestId } = reply.request.call;
  // Not the upstream's failure: the body was too large, or the caller may not call any more.
  if (error instanceof DomainError || (error as { statusCode?: number }).statusCode === 413)
    return void reply.send(error);
  const { status, reason, detail } = failureOf(error);
  reply.request.call.outcome = reason;
  const hasCallerLeft = (error as Error).name === "AbortError";
  if (!hasCallerLeft) log.warn({ err: error, request_id: requestId }, "the relay's upstream failed");
  sendProblem(reply, { ...problem(status, detail, requestId), reason });
}

/**
 * Upstreams may accept the chat's path in any letter case, with more slashes, either way round, or parameters: its limit
 * and quota hold for all.
 */
function limitOf({ method, url }: FastifyRequest): Operation | undefined {
  const path = decodeURIComponent(pathOf(url))
    .replace(/;[^/]*/g, "")
    .replace(/[\\/]+/g, "/");
  return method === "POST" && path.replace(/\/$/, "").toLowerCase() === chat ? `POST ${chat}` : undefined;
}

/**
 * The request's path. Refuses one that a URL parser would change, since it might lead out of `/v1/`, and one with control
 * characters: to a pattern with `$` in Python, as FastAPI's, `/v1/chat` and a line feed is the chat.
 */
function plainPathOf({ url }: FastifyRequest): string {
  const path = pathOf(url);
  const isPlain = new URL(path, "http://upstream").pathname === path;
  if (isPlain && !/\p{Cc}|(^|[\\/])\.{1,2}([\\/;]|$)/u.test(decodeURIComponent(path))) return path;
  throw invalidField(
    "path",
    "must have no dot segments, no control characters and nothing that is to be percent-encoded",
  );
}

function busy(): DomainError {
  const message = "too many relayed calls are open: try again later";
  return new DomainError("unavailable", "RELAY_BUSY", message, { retryAfterMs: busyRetryMs });
}
