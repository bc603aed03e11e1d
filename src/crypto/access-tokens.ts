import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from "jose";
import { LRUCache } from "lru-cache";
import type { Clock } from "../ports/clock.ts";
import { type AccessClaims, type AccessToken, type AccessTokens, InvalidToken } from "../ports/credentials.ts";
import type { SecretStore } from "../ports/secret-store.ts";
import { audience, clientContent, readClaims, sessionContent, type TokenContent, tokenType } from "./token-claims.ts";

const issuer = "darkroom";
const rememberedMax = 20_000;

interface SigningKey {
  /** Fixed by configuration, never read from a token. */
  readonly algorithm: "HS256" | "EdDSA";
  readonly kid: string | undefined;
  readonly sign: Parameters<SignJWT["sign"]>[0];
  readonly verify: Parameters<SignJWT["sign"]>[0];
}

interface Options {
  readonly secrets: SecretStore;
  /** With it HS256, as the systems before expect; without it an Ed25519 key kept in the store. */
  readonly jwtSecret: string | undefined;
  readonly clientTokenMs: number;
  readonly clock: Clock;
}

export async function openAccessTokens({ secrets, jwtSecret, clientTokenMs, clock }: Options): Promise<AccessTokens> {
  const key = jwtSecret === undefined ? await openKeyPair(secrets) : sharedKey(jwtSecret);
  /** What a token says cannot change; whether it still counts is asked elsewhere. */
  const remembered = new LRUCache<string, { readonly claims: AccessClaims; readonly expiresAt: number }>({
    max: rememberedMax,
  });

  async function issue({ subject, claims, expiresAt }: TokenContent): Promise<AccessToken> {
    const seconds = Math.floor(expiresAt / 1000);
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: key.algorithm, typ: tokenType, ...(key.kid === undefined ? {} : { kid: key.kid }) })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(subject)
      .setJti(crypto.randomUUID())
      .setIssuedAt(Math.floor(clock() / 1000))
      .setExpirationTime(seconds)
      .sign(key.sign);
    return { token, expiresAt: seconds * 1000 };
  }

  async function check(token: string): Promise<{ claims: AccessClaims; expiresAt: number }> {
    const { payload } = await jwtVerify(token, key.verify, {
      algorithms: [key.algorithm],
      issuer,
      audience,
      typ: tokenType,
      requiredClaims: ["sub", "exp", "iat"],
      currentDate: new Date(clock()),
    }).catch((cause: unknown) => {
      throw new InvalidToken("access token refused", { cause });
    });
    return { claims: readClaims(payload), expiresAt: Number(payload.exp) * 1000 };
  }

  return {
    forSession: (session) => issue(sessionContent(session, clock())),
    forClient: (client, keyVersion, scopes) =>
      issue(clientContent(client, keyVersion, scopes, clock() + clientTokenMs)),
    async verify(token) {
      const known = remembered.get(token);
      if (known !== undefined && clock() < known.expiresAt) return known.claims;
      const checked = await check(token);
      remembered.set(token, checked);
      return checked.claims;
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
