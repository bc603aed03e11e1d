import { AjvCompiler } from "@fastify/ajv-compiler";

const build = AjvCompiler();

/** What a query or a header has is text, and becomes what its schema asks for; a body has types, and is taken at its word. */
export const buildValidator: typeof build = (schemas, options) => {
  const coercing = build(schemas, options);
  const exact = build(schemas, {
    ...options,
    customOptions: { ...options?.customOptions, coerceTypes: false },
  } as object);
  return (route) => ((route as { httpPart?: string }).httpPart === "body" ? exact : coercing)(route);
};
