import { AjvCompiler } from "@fastify/ajv-compiler";

const build = AjvCompiler();
/** The schemas are ours: to check them by the schema of schemas takes a tenth of a start. */
const unchecked = { meta: false, validateSchema: false };

/** What a query or a header has is text, and becomes what its schema asks for; a body has types, and is taken at its word. */
export const buildValidator: typeof build = (schemas, options) => {
  const validator = (coerceTypes: boolean) =>
    build(schemas, { ...options, customOptions: { ...options?.customOptions, ...unchecked, coerceTypes } } as object);
  const [coercing, exact] = [validator(true), validator(false)];
  return (route) => ((route as { httpPart?: string }).httpPart === "body" ? exact : coercing)(route);
};
