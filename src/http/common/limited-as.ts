import type { Operation } from "../../model/access.ts";

/** The configuration of a route that does what this operation does: both are counted by its limit. */
export function limitedAs(operation: Operation): { readonly limitedAs: () => Operation } {
  return { limitedAs: () => operation };
}
