import type { FastifyInstance } from "fastify";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether a field of the body may be null, as if it were not given. */
    readonly dropsNulls?: boolean;
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
 * As servers in Go read a body: a field that is null is one that is not given, as some of their clients write it. A route's
 * own word on it counts.
 */
export function dropNulls(scope: FastifyInstance): void {
  scope.addHook("onRoute", (route) => {
    route.config = { dropsNulls: true, ...route.config };
  });
  scope.addHook("preValidation", async (request) => {
    const { body, routeOptions } = request;
    if (!routeOptions.config.dropsNulls || typeof body !== "object" || body === null || Array.isArray(body)) return;
    request.body = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  });
}
