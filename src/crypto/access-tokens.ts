import { decodeProtectedHeader, jwtVerify, SignJWT } from "jose";
import { LRUCache } from "lru-cache";
import type { Clock } from "../ports/clock.ts";
import { type AccessClaims, type AccessToken, type AccessTokens, InvalidToken } from "../ports/credentials.ts";
import type { Signer } from "./signer.ts";
import { audience, clientContent, readClaims, sessionContent, type TokenContent, tokenType } from "./token-claims.ts";

const issuer = "darkroom";
const rememberedMax = 20_000;

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
  /** What a token says cannot change while its key counts; whether it still counts is asked elsewhere. */
  const remembered = new LRUCache<string, Remembered>({ max: rememberedMax });
  let state = signer.state();

  async function issue({ subject, claims, expiresAt }: TokenContent): Promise<AccessToken> {
    const seconds = Math.floor(expiresAt / 1000);
    const { kid, key } = await signer.signing();
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: signer.algorithm, typ: tokenType, ...(kid === undefined ? {} : { kid }) })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(subject)
      .setJti(crypto.randomUUID())
      .setIssuedAt(Math.floor(clock() / 1000))
      .setExpirationTime(seconds)
      .sign(key);
    return { token, expiresAt: seconds * 1000 };
  }

  async function check(token: string): Promise<Remembered> {
    const kid = kidOf(token);
    const key = await signer.verifying(kid);
    if (key === undefined) throw new InvalidToken("signed by no key of ours");
    const { payload } = await jwtVerify(token, key, {
      algorithms: [signer.algorithm],
      issuer,
      audience,
      typ: tokenType,
      requiredClaims: ["sub", "exp", "iat"],
      currentDate: new Date(clock()),
    }).catch((cause: unknown) => {
      throw new InvalidToken("access token refused", { cause });
    });
    return { claims: readClaims(payload), expiresAt: Number(payload.exp) * 1000, kid };
  }

  /** Also looks whether the key is still there: that reads the ring again when it is old. */
  async function recall(token: string): Promise<Remembered | undefined> {
    const known = remembered.get(token);
    if (known === undefined || clock() >= known.expiresAt) return undefined;
    const isKept = (await signer.verifying(known.kid)) !== undefined;
    if (signer.state() === state && isKept) return known;
    remembered.clear();
    state = signer.state();
    return undefined;
  }

  return {
    forSession: (session) => issue(sessionContent(session, clock())),
    forClient: (client, keyVersion, scopes) =>
      issue(clientContent(client, keyVersion, scopes, clock() + clientTokenMs)),
    async verify(token) {
      const known = await recall(token);
      if (known !== undefined) return known.claims;
      const checked = await check(token);
      remembered.set(token, checked);
      return checked.claims;
    },
  };
}

function kidOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch (cause) {
    throw new InvalidToken("no token", { cause });
  }
}
