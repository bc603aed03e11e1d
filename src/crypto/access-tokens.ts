import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from "jose";
import type { Clock } from "../ports/clock.ts";
import { type AccessTokens, InvalidToken } from "../ports/credentials.ts";
import type { SecretStore } from "../ports/secret-store.ts";

const issuer = "darkroom";
const audience = "darkroom";
/** RFC 9068. */
const type = "at+jwt";
const lifeMs = 15 * 60 * 1000;

interface SigningKey {
  /** Fixed by configuration, never read from a token. */
  readonly algorithm: "HS256" | "EdDSA";
  readonly kid: string | undefined;
  readonly sign: Parameters<SignJWT["sign"]>[0];
  readonly verify: Parameters<SignJWT["sign"]>[0];
}

/** With `jwtSecret` HS256, as the systems before expect; without it an Ed25519 key kept in the store. */
export async function openAccessTokens(
  secrets: SecretStore,
  jwtSecret: string | undefined,
  clock: Clock,
): Promise<AccessTokens> {
  const key = jwtSecret === undefined ? await openKeyPair(secrets) : sharedKey(jwtSecret);
  const header = { alg: key.algorithm, typ: type, ...(key.kid === undefined ? {} : { kid: key.kid }) };

  return {
    async issue({ accountId, sessionId }) {
      const issuedAt = Math.floor(clock() / 1000);
      const expiresAt = issuedAt + lifeMs / 1000;
      const token = await new SignJWT({ sid: sessionId, client_id: audience })
        .setProtectedHeader(header)
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(accountId)
        .setJti(crypto.randomUUID())
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(key.sign);
      return { token, expiresAt: expiresAt * 1000 };
    },

    async verify(token) {
      const { payload } = await jwtVerify(token, key.verify, {
        algorithms: [key.algorithm],
        typ: type,
        issuer,
        audience,
        requiredClaims: ["sub", "sid", "exp", "iat"],
        currentDate: new Date(clock()),
      }).catch((cause: unknown) => {
        throw new InvalidToken("access token refused", { cause });
      });
      if (typeof payload.sub !== "string" || typeof payload.sid !== "string") throw new InvalidToken("claims missing");
      return { accountId: payload.sub, sessionId: payload.sid };
    },
  };
}

function sharedKey(secret: string): SigningKey {
  const bytes = new TextEncoder().encode(secret);
  return { algorithm: "HS256", kid: undefined, sign: bytes, verify: bytes };
}

async function openKeyPair(secrets: SecretStore): Promise<SigningKey> {
  const fresh = await generateKeyPair("Ed25519", { extractable: true });
  const stored = await secrets.getOrCreate("access-token-key", JSON.stringify(await exportJWK(fresh.privateKey)));
  const { d, ...publicJwk } = JSON.parse(stored);
  return {
    algorithm: "EdDSA",
    kid: await calculateJwkThumbprint(publicJwk),
    sign: await importJWK({ ...publicJwk, d }, "EdDSA"),
    verify: await importJWK(publicJwk, "EdDSA"),
  };
}
