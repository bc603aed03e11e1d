import type { Owner } from "../model/principal.ts";

/** Tells an upstream who calls. Signed by keys of its own, so that it is good nowhere on our port, and nothing else there. */
export interface RelayIdentities {
  /** A token for one call, good for a minute. */
  issue(caller: Owner): Promise<string>;
  /** RFC 7517: what an upstream checks it with. */
  keySet(): Promise<{ readonly keys: readonly object[] }>;
}
