import type { Owner } from "../model/principal.ts";

/**
 * Tokens that tell an upstream who calls. They are signed by keys that sign nothing else: an identity does not work on
 * our port, and none of our other tokens works at the upstream.
 */
export interface RelayIdentities {
  /** A token for one call, good for a minute. */
  issue(caller: Owner): Promise<string>;
  /** The public keys by which an upstream checks them, as RFC 7517 has it. */
  keySet(): Promise<{ readonly keys: readonly object[] }>;
}
