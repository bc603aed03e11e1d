import type { SigningKey } from "../model/signing-key.ts";

/** The keys of access tokens. */
export interface SigningKeys {
  /** The newest first. Rejects with `failed_precondition` where a shared secret signs, as `rotate` does. */
  list(): Promise<readonly SigningKey[]>;
  /** Makes a new key: it signs once others could read of it; `immediately` it signs at once and the others are dropped. */
  rotate(immediately: boolean): Promise<SigningKey>;
  /** RFC 7517: the public parts, none where a shared secret signs. */
  keySet(): Promise<{ readonly keys: readonly object[] }>;
}
