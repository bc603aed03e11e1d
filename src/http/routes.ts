import { type IncomingMessage, METHODS, type ServerResponse } from "node:http";
import cookie from "@fastify/cookie";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Admission } from "../core/admission/admission.ts";
import type { UseCases } from "../core/use-cases.ts";
import type { MaybePromise } from "../helpers/maybe-promise.ts";
import type { Operation } from "../model/access.ts";
import { bodyMax } from "../model/body-limits.ts";
import type { Call } from "../model/call.ts";
import { pathOf, withoutExtraSlashes } from "../model/path.ts";
import { sessionTokenIn } from "../model/session-cookie.ts";
import type { OldApi } from "../model/settings.ts";
import type { Log } from "../ports/log.ts";
import { rememberMethods } from "./common/allowed-methods.ts";
import { buildSerializer, buildValidator } from "./common/compilers.ts";
import { withFastRoutes } from "./common/fast-routes.ts";
import { addKeySetRoute } from "./common/key-set.ts";
import { type Problem, problem, problemType, sendProblem, toProblem } from "./common/problem.ts";
import { type RefusalTerms, refuseBy } from "./common/refusal.ts";
import { invalidBySchema } from "./common/schema-errors.ts";
import { addHealthRoutes } from "./darkroom/health.ts";
import { addImageRoutes } from "./darkroom/images.ts";
import type { OldApiRoutes } from "./old-api-routes.ts";
import { addOpenApi } from "./openapi/openapi.ts";
import { pocketbase } from "./pocketbase/pocketbase.ts";
import { relay } from "./relay/relay.ts";
import { sessions } from "./session-validation.ts";
import { supabase } from "./supabase/supabase.ts";
import { template } from "./template/template.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** What is known of the request, its principal once its route asked for one. */
    call: Call;
  }
  interface FastifyContextConfig {
    /** Whether a credential may come in `Authorization` without its scheme. */
    readonly bareToken?: boolean;
    /** The operation that does the same: both are counted by its limit, and metered as it is. */
    readonly limitedAs?: (request: FastifyRequest) => Operation | undefined;
  }
}

export interface Routes {
  readonly handle: (request: IncomingMessage, response: ServerResponse, call: Call) => void;
  close(): Promise<void>;
}

const oldApiRoutes: Readonly<Record<OldApi, OldApiRoutes>> = { sessions, relay, pocketbase, supabase, template };

const accessTokenKeys = { summary: "The keys that access tokens are checked with", tags: ["Service"] };
const parameterMax = 128;
/** The methods that Node's HTTP/1.1 parser knows. The parser refuses others itself; Fastify has no answer to them. */
const knownMethods: ReadonlySet<string | undefined> = new Set(METHODS);

const problems: RefusalTerms<Problem> = {
  toBody: (error, { call }) => toProblem(error, call.requestId),
  unforeseen: (requestId) => problem(500, `internal error; quote request id ${requestId}`, requestId),
  send: sendProblem,
};

type CallOf = (request: FastifyRequest) => Call;

/** The plain-HTTP routes, behind the same port and the same table of who may call what. */
export async function openRoutes(core: UseCases, log: Log): Promise<Routes> {
  const calls = new WeakMap<IncomingMessage, Call>();
  const callOf: CallOf = ({ raw }) => {
    const call = calls.get(raw);
    if (call === undefined) throw new Error("a request came in by no port");
    return call;
  };
  const served = Object.entries(oldApiRoutes).flatMap(([name, routes]) =>
    core.oldApis.has(name as OldApi) ? [routes] : [],
  );
  const app = createApp(served, callOf, log);
  await app.register(cookie);
  addCommon(app, core.admission, callOf);
  await addOpenApi(app);
  await addImageRoutes(app, core.images, core.files);
  addKeySetRoute(app, "/.well-known/jwks.json", core.signingKeys, accessTokenKeys);
  addHealthRoutes(app, core.health);
  for (const oldApi of served) await oldApi.add(app, core, log);
  const fastRoutes = new Map(served.flatMap((oldApi) => Object.entries(oldApi.fastRoutes?.(app, core) ?? {})));
  await app.ready();

  return {
    handle: withFastRoutes(fastRoutes, core.admission, (request, response, call) => {
      if (!knownMethods.has(request.method)) return answerUnknownMethod(response, call);
      calls.set(request, call);
      app.routing(request, response);
    }),
    close: () => app.close(),
  };
}

function createApp(oldApis: readonly OldApiRoutes[], callOf: CallOf, log: Log): FastifyInstance {
  const refuse = refuseBy(problems, log);
  const spellings = oldApis.flatMap(({ toRoute }) => toRoute ?? []);
  /** Answers a path that cannot be decoded, or has too long a part: no hook has seen the request. */
  const answerUnrouted = (error: Error, request: FastifyRequest, reply: FastifyReply) => {
    request.call = callOf(request);
    const owner = oldApis.find(({ unreadable }) => unreadable?.isOwn(request.url));
    if (owner?.unreadable === undefined) refuse(error, request, reply);
    else owner.unreadable.answer(reply);
  };
  return Fastify({
    bodyLimit: bodyMax,
    routerOptions: { maxParamLength: parameterMax },
    rewriteUrl: ({ url = "/" }) => spellings.reduce((spelt, toRoute) => toRoute(spelt), withoutExtraSlashes(url)),
    exposeHeadRoutes: false,
    schemaController: { compilersFactory: { buildValidator, buildSerializer } },
    schemaErrorFormatter: invalidBySchema,
    frameworkErrors: answerUnrouted,
    logger: false,
  }).setErrorHandler(refuse);
}

/** What all routes share: who may call them, and the answer where there is no route. */
function addCommon(app: FastifyInstance, admission: Admission, callOf: CallOf): void {
  app.decorateRequest("call");
  app.addHook("onRequest", async (request, reply) => {
    request.call = callOf(request);
    // Only its caller may see it, and not a browser's next user. What may be kept, its route says.
    reply.header("cache-control", "no-store");
    if (request.call.refusal !== undefined) throw request.call.refusal;
    // At once: a body that cannot be read is no fault where nothing would read it.
    if (request.is404) return request.routeOptions.handler?.call(app, request, reply);
    await admit(request, admission);
  });
  app.addHook("preHandler", async ({ call }) => admission.readmit(call));
  const methodsOf = rememberMethods(app);
  app.setNotFoundHandler((request, reply) => answerNothing(request, reply, methodsOf));
}

function admit(request: FastifyRequest, admission: Admission): MaybePromise<void> {
  const { authorization, apiKey } = request.call;
  const { url, config } = request.routeOptions;
  const method = request.method === "HEAD" ? "GET" : request.method;
  const sessionToken = sessionTokenIn(request.cookies);
  const headers = { authorization, apiKey, bareToken: config.bareToken, sessionToken };
  return admission.admit(`${method} ${url}`, request.call, headers, config.limitedAs?.(request));
}

/** Answers 405 for a path that has routes for other methods, 404 for one that has none. */
function answerNothing(
  request: FastifyRequest,
  reply: FastifyReply,
  methodsOf: (path: string) => readonly string[],
): FastifyReply {
  const { requestId } = request.call;
  const methods = methodsOf(pathOf(request.url));
  if (methods.length === 0) return sendProblem(reply, problem(404, "there is nothing here", requestId));
  const allow = methods.join(", ");
  return sendProblem(reply.header("allow", allow), problem(405, `this is for ${allow}`, requestId));
}

/** Answers a method that nobody knows: HTTP/2 lets any through. */
function answerUnknownMethod(response: ServerResponse, { requestId }: Call): void {
  response.writeHead(501, { "content-type": problemType });
  response.end(JSON.stringify(problem(501, "there is no such method", requestId)));
}
