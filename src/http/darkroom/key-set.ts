import type { FastifyInstance, FastifyReply } from "fastify";
import { keySetMaxAgeMs } from "../../model/signing-key.ts";
import type { SigningKeys } from "../../ports/signing-keys.ts";
import { keySetAnswer, problemAnswer } from "../common/schema.ts";

const schema = {
  summary: "The keys that access tokens are checked with",
  tags: ["Service"],
  response: { 200: keySetAnswer, 503: problemAnswer("The database cannot be reached.") },
};

export function sendKeySet(reply: FastifyReply, keySet: object): FastifyReply {
  return reply.header("cache-control", `public, max-age=${keySetMaxAgeMs / 1000}`).send(keySet);
}

/** RFC 7517: the keys by which other services check access tokens themselves. */
export function addKeySetRoute(app: FastifyInstance, signingKeys: SigningKeys): void {
  app.get("/.well-known/jwks.json", { schema, exposeHeadRoute: true }, async (_request, reply) =>
    sendKeySet(reply, await signingKeys.keySet()),
  );
}
