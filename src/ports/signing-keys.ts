import type { SigningKey } from "../model/signing-key.ts";

/** The keys of access tokens. */
export interface SigningKeys {
  /** The newest first. Rejects with `failed_precondition` where a shared secret signs, as `rotate` does. */
  list(): Promise<readonly SigningKey[]>;
  /**
   * Makes a new key, which signs once others could read it from the key set. With `immediately` it signs at once and
   * the others are dropped.
   */
  rotate(immediately: boolean): Promise<SigningKey>;
  /** The public keys as RFC 7517 has them; none where a shared secret signs. */
  keySet(): Promise<{ readonly keys: readonly object[] }>;
}
