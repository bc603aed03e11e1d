import type { FastifyInstance, FastifySchema } from "fastify";
import { keySetMaxAgeMs } from "../../model/signing-key.ts";
import { problemAnswer } from "./schema.ts";

const answer = {
  description: "RFC 7517.",
  type: "object",
  required: ["keys"],
  properties: { keys: { type: "array", items: { type: "object", additionalProperties: true } } },
};

/** A route with the keys by which other services check tokens themselves. `about` is its schema without the answers. */
export function addKeySetRoute(
  app: FastifyInstance,
  path: string,
  keys: { keySet(): Promise<object> },
  about: FastifySchema,
  refusalAnswer: (description: string) => object = problemAnswer,
): void {
  const response = { 200: answer, 503: refusalAnswer("The database cannot be reached.") };
  app.get(path, { schema: { ...about, response }, exposeHeadRoute: true }, async (_request, reply) => {
    // First: a refusal may not be kept.
    const keySet = await keys.keySet();
    return reply.header("cache-control", `public, max-age=${keySetMaxAgeMs / 1000}`).send(keySet);
  });
}
