import type { FastifyInstance } from "fastify";
import type { UseCases } from "../../core/use-cases.ts";
import type { Log } from "../../ports/log.ts";
import { readJsonBodies, readStructs } from "../common/json-bodies.ts";
import { type RefusalTerms, refuseBy, sendJson } from "../common/refusal.ts";
import type { OldApiRoutes } from "../old-api-routes.ts";
import { addAboutRoutes } from "./about.ts";
import { type Refusal, refusal, toRefusal } from "./refusal.ts";
import { refusalAnswer } from "./schemas.ts";
import { addSignInRoutes } from "./sign-in.ts";
import { addUserRoutes } from "./user.ts";

const prefix = "/auth/v1";
const unforeseen = "Unexpected failure, please check server logs for more information";
const refusals: RefusalTerms<Refusal> = {
  toBody: toRefusal,
  unforeseen: (requestId) => ({ ...refusal(500, "unexpected_failure", unforeseen), error_id: requestId }),
  send: (reply, body) => sendJson(reply, body.code, body),
};

/** The routes of Supabase's auth that its clients sign up and in by. */
export const supabase: OldApiRoutes = { add: addRoutes };

async function addRoutes(app: FastifyInstance, core: UseCases, log: Log): Promise<void> {
  await app.register(
    async (scope) => {
      // As GoTrue does, whatever the content type.
      readJsonBodies(scope, "*");
      readStructs(scope);
      scope.addHook("onRoute", (route) => {
        route.config = { ...route.config, refusalAnswer };
      });
      scope.setErrorHandler(refuseBy(refusals, log));
      scope.setNotFoundHandler((_request, reply) => reply.code(404).send("404 page not found\n"));
      addAboutRoutes(scope, core);
      addSignInRoutes(scope, core);
      addUserRoutes(scope, core);
    },
    { prefix },
  );
}
