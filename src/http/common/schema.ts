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
/** A body that may be left out. */
export const bodyOf = (properties: object) => ({ type: ["object", "null"], properties });
/** A query or a body for the OpenAPI document, where the route's handler, not its schema, requires these fields. */
export const needing = ({ properties }: { readonly properties: object }, ...required: readonly string[]) => ({
  type: "object",
  properties,
  required,
});

/** A body whose schema requires nothing, and its form in the document, with the fields that the handler requires. */
export const bodyNeeding = (properties: object, ...required: readonly string[]) => {
  const body = bodyOf(properties);
  return { body, documented: { body: needing(body, ...required) } };
};
