import type { KeyRing } from "./key-ring.ts";

type Key = CryptoKey | Uint8Array;

/** What access tokens are signed and checked with. The algorithm is fixed by configuration, never read from a token. */
export interface Signer {
  readonly algorithm: "HS256" | "EdDSA";
  signing(): Promise<{ readonly kid: string | undefined; readonly key: Key }>;
  /** The key that a token names; undefined for one that is not ours. */
  verifying(kid: string | undefined): Promise<Key | undefined>;
  /** Another one once what was verified before may not count any more. */
  state(): string;
}

export function sharedSecret(secret: string): Signer {
  const key = new TextEncoder().encode(secret);
  return {
    algorithm: "HS256",
    signing: async () => ({ kid: undefined, key }),
    verifying: async () => key,
    state: () => "",
  };
}

export function ringSigner(ring: KeyRing): Signer {
  return {
    algorithm: "EdDSA",
    async signing() {
      const { id, sign } = await ring.current();
      return { kid: id, key: sign };
    },
    verifying: async (kid) => (await ring.find(kid))?.verify,
    state: () => ring.state,
  };
}
