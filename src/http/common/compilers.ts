import { AjvCompiler } from "@fastify/ajv-compiler";
import { SerializerSelector } from "@fastify/fast-json-stringify-compiler";

const validators = AjvCompiler();
const serializers = SerializerSelector();
/** Our own schemas are not checked against the meta-schema, which would take a tenth of a start. */
const unchecked = { meta: false, validateSchema: false };

/**
 * Values of queries and headers are text and are coerced to their schema's types; those of bodies are not coerced.
 * Validators and serializers are compiled when first needed: a start would wait for a hundred that few callers use.
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
