import type { FastifySchemaValidationError } from "fastify/types/schema.js";
import { type DomainError, invalidFields } from "../../model/errors.ts";

/** The refusal by a route's schema, in our terms; `part` of the request is `body`, `querystring`, … */
export function invalidBySchema(errors: readonly FastifySchemaValidationError[], part: string): DomainError {
  return invalidFields(
    errors.map(({ instancePath, params, message = "is not valid" }) => {
      const missing = typeof params.missingProperty === "string" ? [params.missingProperty] : [];
      const field = [...instancePath.split("/").filter(Boolean), ...missing].join(".");
      return { field: field || part, rule: missing.length > 0 ? "must be given" : message };
    }),
  );
}
