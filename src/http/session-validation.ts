import type { FastifyInstance } from "fastify";
import type { Authentication } from "../core/admission/authentication.ts";
import { chain } from "../helpers/maybe-promise.ts";
import { sessionTokenIn } from "../model/session-cookie.ts";
import type { FastRoute } from "./common/fast-routes.ts";
import { fromDomain, problemType } from "./common/problem.ts";
import { problemAnswer } from "./common/schema.ts";
import type { OldApiRoutes } from "./old-api-routes.ts";

const answer = (valid: boolean, description: string) => ({
  description,
  type: "object",
  required: ["valid", ...(valid ? ["user"] : [])],
  additionalProperties: false,
  properties: { valid: { type: "boolean", const: valid }, ...(valid ? { user: { type: "string" } } : {}) },
});

const schema = {
  summary: "Whether a session is valid, and whose it is",
  description:
    "For services that guard pages: the session token is in the cookie `session` or, without one, the header.",
  tags: ["Sessions"],
  security: [{ sessionCookie: [] }, { sessionHeader: [] }],
  headers: { type: "object", properties: { "x-session-token": { type: "string" } } },
  response: {
    200: answer(true, "It is; `user` is the account's username."),
    401: answer(false, "It is not, or there is none."),
    503: problemAnswer("The database cannot be reached."),
  },
};

const path = "/session/validate";

/** The route that the Serverless Proxy's services ask before they show a page. */
export const sessions: OldApiRoutes = {
  add(app, { authentication }) {
    const { answer } = validation(app, authentication);
    app.get(path, { schema }, async (request, reply) => {
      const { status, body } = await answer(request.headers, request.call);
      return reply.code(status as 200 | 401).send(body);
    });
  },
  fastRoutes: (app, { authentication }) => ({ [path]: validation(app, authentication) }),
};

function validation(app: FastifyInstance, authentication: Authentication): FastRoute {
  return {
    answer({ cookie = "", "x-session-token": inHeader }, call) {
      const token = sessionTokenIn(app.parseCookie(cookie)) ?? (inHeader?.toString() || undefined);
      return chain(authentication.validateSession(token), (user) => {
        if (user === undefined) return { status: 401, body: { valid: false } };
        call.principal = user;
        return { status: 200, body: { valid: true, user: user.account.username } };
      });
    },
    refuse(error, { requestId }) {
      const body = fromDomain(error, requestId);
      return { status: body.status, headers: { "content-type": problemType }, body };
    },
  };
}
