import type { FastifyInstance } from "fastify";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether the body is read as servers in Go read one into a struct. */
    readonly isStruct?: boolean;
  }
}

/**
 * Reads bodies of this type, or of any, as JSON. The old systems' clients name a type where they send no body; that is
 * null then.
 */
export function readJsonBodies(scope: FastifyInstance, type: "application/json" | "*"): void {
  scope.removeContentTypeParser(["application/json", "text/plain"]);
  const parse = scope.getDefaultJsonParser("error", "error");
  scope.addContentTypeParser<string>(type, { parseAs: "string" }, (request, body, done) => {
    if (body === "") done(null, null);
    else parse(request, body, done);
  });
}

/**
 * Reads bodies as servers in Go do: a field's name may be in any letter case, and null means not given, as some of their
 * clients write it. A route's own `isStruct` takes precedence.
 */
export function readStructs(scope: FastifyInstance): void {
  scope.addHook("onRoute", (route) => {
    route.config = { isStruct: true, ...route.config };
  });
  scope.addHook("preValidation", async (request) => {
    const { body, routeOptions } = request;
    if (!routeOptions.config.isStruct || typeof body !== "object" || body === null || Array.isArray(body)) return;
    const given = Object.entries(body).filter(([, value]) => value !== null);
    request.body = Object.fromEntries(given.map(([key, value]) => [fieldOf(key, routeOptions.schema?.body), value]));
  });
}

/** The field's name in the body's schema, whatever its letter case here. */
function fieldOf(key: string, schema: unknown): string {
  const { properties = {} } = (schema ?? {}) as { readonly properties?: object };
  return Object.keys(properties).find((name) => name.toLowerCase() === key.toLowerCase()) ?? key;
}
