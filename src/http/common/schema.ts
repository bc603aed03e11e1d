/** An answer as problem.ts makes them: RFC 9457. */
export const problemSchema = {
  $id: "Problem",
  type: "object",
  required: ["type", "title", "status", "detail", "request_id"],
  properties: {
    type: { type: "string", const: "about:blank" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string", description: "What is wrong and what to do, for people." },
    reason: { type: "string", description: "Stable, for programs." },
    errors: {
      type: "array",
      description: "Which fields broke which rules.",
      items: {
        type: "object",
        required: ["field", "rule"],
        properties: { field: { type: "string" }, rule: { type: "string" } },
      },
    },
    request_id: { type: "string" },
  },
};

export function problemAnswer(description: string) {
  return { description, content: { "application/problem+json": { schema: { $ref: "Problem#" } } } };
}

export const text = (description: string) => ({ type: "string", description });
/** Which may be left out. */
export const bodyOf = (properties: object) => ({ type: ["object", "null"], properties });
/** A query or a body as the document has it, where the route itself refuses to do without these fields. */
export const needing = ({ properties }: { readonly properties: object }, ...required: readonly string[]) => ({
  type: "object",
  properties,
  required,
});

/** Such a body, and what the document says of it. */
export const bodyNeeding = (properties: object, ...required: readonly string[]) => {
  const body = bodyOf(properties);
  return { body, documented: { body: needing(body, ...required) } };
};

/** RFC 7517: an answer with public keys. */
export const keySetAnswer = {
  description: "RFC 7517.",
  type: "object",
  required: ["keys"],
  properties: { keys: { type: "array", items: { type: "object", additionalProperties: true } } },
};
