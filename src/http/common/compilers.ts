import { AjvCompiler } from "@fastify/ajv-compiler";
import { SerializerSelector } from "@fastify/fast-json-stringify-compiler";

const validators = AjvCompiler();
const serializers = SerializerSelector();
/** The schemas are ours: to check them by the schema of schemas takes a tenth of a start. */
const unchecked = { meta: false, validateSchema: false };

/**
 * What a query or a header has is text, and becomes what its schema asks for; a body has types, and is taken at its word.
 * Like answers' serializers, each is compiled when it is first needed: a start would wait for a hundred that few ask for.
 */
export const buildValidator: typeof validators = (schemas, options) => {
  const compiler = (coerceTypes: boolean) =>
    validators(schemas, {
      ...options,
      customOptions: { ...options?.customOptions, ...unchecked, coerceTypes },
    } as object);
  const [coercing, exact] = [compiler(true), compiler(false)];
  return (route) => {
    const check = once(() => ((route as { httpPart?: string }).httpPart === "body" ? exact : coercing)(route));
    // Fastify takes the errors from what a check returns, too.
    return ((data: unknown) => check()(data) || { error: check().errors }) as ReturnType<typeof exact>;
  };
};

export const buildSerializer: typeof serializers = (schemas, options) => {
  const compile = serializers(schemas, options);
  return (route) => {
    const write = once(() => compile(route));
    return (data: unknown) => write()(data);
  };
};

function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
