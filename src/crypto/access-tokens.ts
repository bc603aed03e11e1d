import { decodeProtectedHeader, jwtVerify, SignJWT } from "jose";
import { LRUCache } from "lru-cache";
import { chain, type MaybePromise } from "../helpers/maybe-promise.ts";
import type { Clock } from "../ports/clock.ts";
import { type AccessClaims, type AccessToken, type AccessTokens, InvalidToken } from "../ports/credentials.ts";
import type { Signer } from "./signer.ts";
import {
  audiences,
  clientContent,
  readClaims,
  sessionContent,
  type TokenContent,
  type TokenType,
} from "./token-claims.ts";

const issuer = "darkroom";
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** The most characters of remembered tokens, and the least that one counts for, so that there are 20 000 at most. */
const rememberedSizeMax = 16 * 1024 * 1024;
const rememberedSizeMin = Math.ceil(rememberedSizeMax / 20_000);

interface Remembered {
  readonly claims: AccessClaims;
  readonly expiresAt: number;
  readonly kid: string | undefined;
}

interface Options {
  readonly signer: Signer;
  readonly clientTokenMs: number;
  readonly clock: Clock;
}

export function openAccessTokens({ signer, clientTokenMs, clock }: Options): AccessTokens {
  /** A token's claims cannot change while its key is valid; whether its session or client still counts is checked elsewhere. */
  const remembered = new LRUCache<string, Remembered>({
    maxSize: rememberedSizeMax,
    sizeCalculation: (_known, token) => Math.max(token.length, rememberedSizeMin),
  });

  async function issue({ type, subject, claims, expiresAt }: TokenContent): Promise<AccessToken> {
    const [issued, expires] = [Math.floor(clock() / 1000), Math.floor(expiresAt / 1000)];
    const { kid, key, algorithm } = await signer.signing();
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, typ: type, ...(kid === undefined ? {} : { kid }) })
      .setIssuer(issuer)
      .setAudience(audiences[type])
      .setSubject(subject)
      .setJti(crypto.randomUUID())
      .setIssuedAt(issued)
      .setExpirationTime(expires)
      .sign(key);
    return { token, issuedAt: issued * 1000, expiresAt: expires * 1000 };
  }

  async function check(token: string): Promise<Remembered> {
    assertCompact(token);
    const { kid, type } = headerOf(token);
    const known = await signer.verifying(kid);
    if (known === undefined) throw new InvalidToken("signed by no key of ours");
    const { payload } = await jwtVerify(token, known.key, {
      algorithms: [known.algorithm],
      issuer,
      audience: audiences[type],
      typ: type,
      requiredClaims: ["sub", "exp", "iat"],
      currentDate: new Date(clock()),
    }).catch((cause: unknown) => {
      throw new InvalidToken("access token refused", { cause });
    });
    return { claims: readClaims(payload), expiresAt: Number(payload.exp) * 1000, kid };
  }

  /** Also checks that the key is still in the ring, which is read again when it is old. */
  function recall(token: string): MaybePromise<Remembered | undefined> {
    const known = remembered.get(token);
    if (known === undefined || clock() >= known.expiresAt) return undefined;
    return chain(signer.verifying(known.kid), (key) => key && known);
  }

  async function checkOnce(token: string): Promise<AccessClaims> {
    const checked = await check(token);
    remembered.set(token, checked);
    return checked.claims;
  }

  return {
    forSession: (session, account) => issue(sessionContent(session, account, clock())),
    forClient: (client, keyVersion, scopes) =>
      issue(clientContent(client, keyVersion, scopes, clock() + clientTokenMs)),
    verify: (token) => chain(recall(token), (known) => known?.claims ?? checkOnce(token)),
  };
}

/** Reads from the header only the key and the type that the token claims. */
function headerOf(token: string): { kid: string | undefined; type: TokenType } {
  try {
    const { kid, typ } = decodeProtectedHeader(token);
    return { kid, type: typ === "JWT" ? "JWT" : "at+jwt" };
  } catch (cause) {
    throw new InvalidToken("no token", { cause });
  }
}

/** Allows only one spelling of a token: jose's base64url accepts blanks and base64's own signs too. */
function assertCompact(token: string): void {
  if (!compact.test(token)) throw new InvalidToken("not in JWS's compact form");
}
