declare module "fastify" {
  /** What the OpenAPI document tells of a route beside what is checked. */
  interface FastifySchema {
    readonly summary?: string;
    readonly description?: string;
    readonly tags?: readonly string[];
    readonly consumes?: readonly string[];
    readonly security?: ReadonlyArray<{ readonly [scheme: string]: readonly string[] }>;
  }
}

const problem = {
  type: "object",
  required: ["type", "title", "status", "detail", "request_id"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    reason: { type: "string", description: "Stable, for programs." },
    errors: {
      type: "array",
      items: {
        type: "object",
        properties: { field: { type: "string" }, rule: { type: "string" } },
      },
    },
    request_id: { type: "string" },
  },
};

/** An answer as problem.ts makes them. */
export function problemAnswer(description: string) {
  return { description, content: { "application/problem+json": { schema: problem } } };
}
