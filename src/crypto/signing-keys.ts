import { DomainError } from "../model/errors.ts";
import type { SigningKeys } from "../ports/signing-keys.ts";
import { type KeyRing, publicJwk } from "./key-ring.ts";

export function ringKeys(ring: KeyRing): SigningKeys {
  return {
    list: () => ring.list(),
    rotate: (immediately) => ring.rotate(immediately),
    keySet: async () => ({ keys: (await ring.list()).map(publicJwk) }),
  };
}

/** What JWT_SECRET signs, nobody else can check. */
export const noKeys: SigningKeys = { list: refuse, rotate: refuse, keySet: async () => ({ keys: [] }) };

async function refuse(): Promise<never> {
  const message = "tokens are signed with JWT_SECRET: change it and start again, or unset it to have keys that rotate";
  throw new DomainError("failed_precondition", "SHARED_SECRET", message);
}
