import type { FastifyInstance } from "fastify";
import type { Authentication } from "../core/authentication.ts";
import { sessionTokenIn } from "../model/session-cookie.ts";
import { problemAnswer } from "./schema.ts";

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

/** What the Serverless Proxy's services ask before they show a page. */
export function addSessionRoute(app: FastifyInstance, authentication: Authentication): void {
  app.get<{ Headers: { "x-session-token"?: string } }>("/session/validate", { schema }, async (request, reply) => {
    const token = sessionTokenIn(request.cookies) ?? (request.headers["x-session-token"] || undefined);
    const user = await authentication.validateSession(token);
    reply.header("cache-control", "no-store");
    if (user === undefined) return reply.code(401).send({ valid: false });
    request.call.principal = user;
    return { valid: true, user: user.account.username };
  });
}
