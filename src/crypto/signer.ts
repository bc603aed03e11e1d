import { chain, type MaybePromise } from "../helpers/maybe-promise.ts";
import { DomainError } from "../model/errors.ts";
import type { SigningAlgorithm } from "../model/signing-key.ts";
import type { SigningKeys } from "../ports/signing-keys.ts";
import type { KeyRing } from "./key-ring.ts";

/** A key with its one algorithm, whatever a token's header says. */
interface Key {
  readonly key: CryptoKey;
  readonly algorithm: SigningAlgorithm | "HS256";
}

/** The keys that access tokens are signed and checked with. */
export interface Signer {
  signing(): Promise<Key & { readonly kid: string | undefined }>;
  /** The key that a token names; undefined for one that is not ours. */
  verifying(kid: string | undefined): MaybePromise<Key | undefined>;
}

export async function sharedSecret(secret: string): Promise<Signer> {
  // Imported once: given as bytes, the secret would be imported for each token.
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", Buffer.from(secret), hmac, false, ["sign", "verify"]);
  const key = { key: imported, algorithm: "HS256" } as const;
  return {
    signing: async () => ({ kid: undefined, ...key }),
    verifying: () => key,
  };
}

export function ringSigner(ring: KeyRing): Signer {
  return {
    async signing() {
      const { id, sign, algorithm } = await ring.current();
      return { kid: id, key: sign, algorithm };
    },
    verifying: (kid) => chain(ring.find(kid), (found) => found && { key: found.verify, algorithm: found.algorithm }),
  };
}

/** Where JWT_SECRET signs there are no public keys: nobody else can check the tokens. */
export const noKeys: SigningKeys = { list: refuse, rotate: refuse, keySet: async () => ({ keys: [] }) };

async function refuse(): Promise<never> {
  const message = "tokens are signed with JWT_SECRET: change it and start again, or unset it to have keys that rotate";
  throw new DomainError("failed_precondition", "SHARED_SECRET", message);
}
