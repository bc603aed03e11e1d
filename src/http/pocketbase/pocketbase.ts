import type { FastifyInstance, FastifyReply } from "fastify";
import type { UseCases } from "../../core/use-cases.ts";
import { usersCollectionId } from "../../model/surface.ts";
import type { Log } from "../../ports/log.ts";
import { readJsonBodies, readStructs } from "../common/json-bodies.ts";
import { type RefusalTerms, refuseBy, sendJson } from "../common/refusal.ts";
import type { OldApiRoutes } from "../old-api-routes.ts";
import { addAuthRoutes } from "./auth.ts";
import { readForms } from "./forms.ts";
import { addGatewayRoutes, checkPath, tokenCheck } from "./gateway.ts";
import { addRecordRoutes } from "./records.ts";
import { type Envelope, envelope, notAllowed, toEnvelope, tokenRequired } from "./refusal.ts";
import { refusalAnswer } from "./schemas.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The answer to a caller who is not known, or may not make this call, in place of the usual refusal. */
    readonly guest?: { readonly status: number; readonly body: object };
    /** The message for a request that broke a rule. */
    readonly failure?: string;
  }
}

const nothing = envelope(404, "Not Found.");
const envelopes: RefusalTerms<Envelope> = {
  toBody: (error, { routeOptions }) => toEnvelope(error, routeOptions.config.failure),
  unforeseen: (requestId) => envelope(500, `Internal error; quote request id ${requestId}.`),
  send: sendEnvelope,
};
const prefix = "/api";
const users = new RegExp(`^${prefix}/collections/(?:${usersCollectionId}|(?i:users))/`);

/** The routes of the PocketBase-Gateway: its own, and those of PocketBase that its front ends sign up and in by. */
export const pocketbase: OldApiRoutes = {
  add: addRoutes,
  fastRoutes: () => ({ [checkPath]: tokenCheck }),
  // As in PocketBase, a path may name the collection in any letter case, or by the id that records show.
  toRoute: (url) => url.replace(users, `${prefix}/collections/users/`),
  unreadable: {
    isOwn: (url) => url.startsWith(`${prefix}/`),
    answer: (reply) => void sendJson(reply, 404, nothing),
  },
};

async function addRoutes(app: FastifyInstance, core: UseCases, log: Log): Promise<void> {
  await app.register(
    async (scope) => {
      readJsonBodies(scope, "application/json");
      readStructs(scope);
      await readForms(scope);
      readQueries(scope);
      scope.addHook("onRoute", (route) => {
        route.config = { ...route.config, bareToken: true, refusalAnswer };
      });
      scope.setErrorHandler(refuseBy(envelopes, log));
      // Also for paths that exist for other methods.
      scope.setNotFoundHandler((_request, reply) => sendJson(reply, 404, nothing));
      addGatewayRoutes(scope, core);
      addAuthRoutes(scope, core);
      addRecordRoutes(scope, core);
    },
    { prefix },
  );
}

/** Reads a query as servers in Go do: of a repeated parameter the first counts, and an empty one is not given. */
function readQueries(scope: FastifyInstance): void {
  scope.addHook("preValidation", async (request) => {
    const given = Object.entries(request.query as Readonly<Record<string, string | readonly string[]>>);
    const firsts = given.map(([name, value]) => [name, [value].flat()[0]]);
    request.query = Object.fromEntries(firsts.filter(([, value]) => value !== ""));
  });
}

function sendEnvelope(reply: FastifyReply, body: Envelope): FastifyReply {
  const { guest } = reply.request.routeOptions.config;
  const isGuest = body === tokenRequired || body === notAllowed;
  return guest !== undefined && isGuest ? sendJson(reply, guest.status, guest.body) : sendJson(reply, body.code, body);
}
