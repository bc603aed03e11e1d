import type { FastifyInstance } from "fastify";
import { keySetMaxAgeMs } from "../model/signing-key.ts";
import type { SigningKeys } from "../ports/signing-keys.ts";

/** RFC 7517: what other services check access tokens with by themselves. */
export function addKeySetRoute(app: FastifyInstance, signingKeys: SigningKeys): void {
  app.get("/.well-known/jwks.json", async (_request, reply) =>
    reply.header("cache-control", `public, max-age=${keySetMaxAgeMs / 1000}`).send(await signingKeys.keySet()),
  );
}
