import { type JWTPayload, SignJWT } from "jose";
import { type Owner, ownerIdOf } from "../model/principal.ts";
import type { Clock } from "../ports/clock.ts";
import type { RelayIdentities } from "../ports/relay-identities.ts";
import type { KeyRing } from "./key-ring.ts";

const issuer = "darkroom";
const audience = "darkroom-relay";
const type = "relay-identity+jwt";
const lifeS = 60;

export function openRelayIdentities(ring: KeyRing, clock: Clock): RelayIdentities {
  return {
    async issue(caller) {
      const { id, algorithm, sign } = await ring.current();
      const now = Math.floor(clock() / 1000);
      return new SignJWT(claimsOf(caller))
        .setProtectedHeader({ alg: algorithm, typ: type, kid: id })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(ownerIdOf(caller))
        .setJti(crypto.randomUUID())
        .setIssuedAt(now)
        .setExpirationTime(now + lifeS)
        .sign(sign);
    },
    keySet: () => ring.keySet(),
  };
}

function claimsOf(caller: Owner): JWTPayload {
  if (caller.kind === "client") return { kind: "client", name: caller.client.name, scope: caller.scopes.join(" ") };
  return { kind: "user", name: caller.account.username, role: caller.account.role };
}
