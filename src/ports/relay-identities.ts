import type { Owner } from "../model/principal.ts";

/**
 * Tells an upstream who calls. Signed by keys that are used for nothing else: an identity does not work on our port,
 * and none of our other tokens works at the upstream.
 */
export interface RelayIdentities {
  /** A token for one call, good for a minute. */
  issue(caller: Owner): Promise<string>;
  /** RFC 7517: what an upstream checks it with. */
  keySet(): Promise<{ readonly keys: readonly object[] }>;
}
