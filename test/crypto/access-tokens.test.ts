import { randomUUID } from "node:crypto";
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, test } from "vitest";
import { openAccessTokens } from "../../src/crypto/access-tokens.ts";
import { openJobTokens } from "../../src/crypto/job-tokens.ts";
import { KeyRing } from "../../src/crypto/key-ring.ts";
import { ringSigner, sharedSecret } from "../../src/crypto/signer.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { type AccessTokens, InvalidToken } from "../../src/ports/credentials.ts";
import type { SecretStore } from "../../src/ports/secret-store.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { sampleAccount, sampleClient, sampleSession } from "../contracts/samples.ts";
import { altered, shareSecrets } from "./opened-secrets.ts";

const openSecrets = shareSecrets();

const account = sampleAccount();
const session = sampleSession({ accountId: account.id });
const claims = { kind: "user" as const, accountId: session.accountId, sessionId: session.id };
async function openTokens(secrets: SecretStore, jwtSecret: string | undefined, clock: Clock): Promise<AccessTokens> {
  const options = { secrets, clock, tokenMs: 3_600_000, rotateMs: 1e12 };
  const signer = jwtSecret === undefined ? ringSigner(await KeyRing.open(options)) : await sharedSecret(jwtSecret);
  return openAccessTokens({ signer, clientTokenMs: 3_600_000, clock });
}
const lifeMs = 15 * 60 * 1000;
const jwtSecret = "a secret of at least thirty-two characters";

async function opened({ secret }: { secret?: string } = {}) {
  const clock = movableClock();
  const secrets = openSecrets();
  const tokens = await openTokens(secrets, secret, clock);
  const { token, expiresAt } = await tokens.forSession(session, account);
  return { clock, secrets, tokens, token, expiresAt };
}

async function expectRefused(tokens: AccessTokens, token: string): Promise<void> {
  await expect(tokens.verify(token)).rejects.toBeInstanceOf(InvalidToken);
}

/** What `secret` keeps for the access tokens, as a private JWK. */
async function storedJwk(secrets: ReturnType<typeof openSecrets>) {
  const [{ id, jwk }] = JSON.parse(await secrets.getOrCreate("access-token-keys", "none"));
  return { ...jwk, kid: id };
}

describe.each([
  ["by a key pair", undefined, "ES256"],
  ["by JWT_SECRET", jwtSecret, "HS256"],
])("access tokens signed %s", (_, secret, algorithm) => {
  const open = () => opened(secret === undefined ? {} : { secret });

  /** A token as ours is, but for `change`, signed by the right key. */
  async function forged(
    { secrets, clock }: Awaited<ReturnType<typeof open>>,
    change: { header?: object; payload?: Record<string, unknown> },
  ): Promise<string> {
    const key = secret === undefined ? await importJWK(await storedJwk(secrets), "ES256") : Buffer.from(secret);
    const now = Math.floor(clock() / 1000);
    const payload = {
      iss: "darkroom",
      aud: "darkroom",
      sub: claims.accountId,
      sid: claims.sessionId,
      iat: now,
      exp: now + 9,
    };
    const kid = secret === undefined ? { kid: (await storedJwk(secrets)).kid } : {};
    const header = { alg: algorithm, typ: "at+jwt", ...kid, ...change.header };
    return new SignJWT({ ...payload, ...change.payload }).setProtectedHeader(header).sign(key);
  }

  test.each([" ", "\n", "="])("have one spelling: with %j in them they are none", async (sign) => {
    const { tokens, token } = await open();
    for (const at of [3, token.lastIndexOf(".") + 5, token.length - 1])
      await expectRefused(tokens, `${token.slice(0, at)}${sign}${token.slice(at)}`);
    await expectRefused(tokens, token.replaceAll("-", "+").replaceAll("_", "/").concat("+"));
  });

  test("are read back", async () => {
    const { tokens, token } = await open();
    expect(await tokens.verify(token)).toStrictEqual(claims);
  });

  test("have the claims of RFC 9068, and no more of the account than its id", async () => {
    const { token, clock, expiresAt } = await open();
    const { iss, aud, sub, sid, client_id, iat, exp, jti, ...rest } = decodeJwt(token);
    expect({ iss, aud, sub, sid }).toEqual({
      iss: "darkroom",
      aud: "darkroom",
      sub: claims.accountId,
      sid: claims.sessionId,
    });
    expect([typeof client_id, typeof jti, rest]).toEqual(["string", "string", {}]);
    expect(iat).toBe(Math.floor(clock() / 1000));
    expect((exp ?? 0) * 1000).toBe(expiresAt);
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: algorithm, typ: "at+jwt" });
  });

  test("are different each time", async () => {
    const { tokens, token } = await open();
    expect((await tokens.forSession(session, account)).token).not.toBe(token);
  });

  test("end when they said they would", async () => {
    const { tokens, token, clock, expiresAt } = await open();
    expect(expiresAt - clock()).toBeGreaterThan(lifeMs - 1000);
    expect(expiresAt - clock()).toBeLessThanOrEqual(lifeMs);
    clock.advance(expiresAt - clock() - 1);
    expect(await tokens.verify(token)).toStrictEqual(claims);
    clock.advance(1);
    await expectRefused(tokens, token);
  });

  test("end with their session or client", async () => {
    const { tokens, clock } = await open();
    const end = Math.ceil(clock() / 1000 + 60) * 1000;
    const later = { accountId: account.id, expiresAt: end + 1000, idleAt: end + 1000 };
    for (const ending of [{ expiresAt: end }, { idleAt: end }])
      expect(await tokens.forSession(sampleSession({ ...later, ...ending }), account)).toMatchObject({
        expiresAt: end,
      });
    const client = sampleClient({ expiresAt: end });
    expect(await tokens.forClient(client, 1, [])).toMatchObject({ expiresAt: end });
  });

  test("are good in another process and after a restart", async () => {
    const { secrets, token, clock } = await open();
    const again = await openTokens(secrets, secret, clock);
    expect(await again.verify(token)).toStrictEqual(claims);
  });

  test("are refused by another installation", async () => {
    const { token, clock } = await open();
    await expectRefused(await openTokens(openSecrets(), secret && `${secret}!`, clock), token);
  });

  test("are refused when a character of them is another", async () => {
    const { tokens, token } = await open();
    const [header = "", payload = ""] = token.split(".");
    const middle = header.length + Math.floor(payload.length / 2);
    for (const at of [0, 5, header.length - 2, header.length + 1, middle, header.length + payload.length + 3, -5]) {
      await expectRefused(tokens, altered(token, at));
    }
  });

  test("are refused with another's payload under a good signature", async () => {
    const { tokens, token } = await open();
    const [header, , signature] = token.split(".");
    const other = (await tokens.forSession({ ...session, accountId: randomUUID() }, account)).token.split(".")[1];
    await expectRefused(tokens, [header, other, signature].join("."));
  });

  test("are forged well enough by this test to be taken when nothing is wrong", async () => {
    const all = await open();
    expect(await all.tokens.verify(await forged(all, {}))).toStrictEqual(claims);
  });

  test.each<[string, { header?: object; payload?: Record<string, unknown> }]>([
    ["another issuer", { payload: { iss: "other" } }],
    ["no issuer", { payload: { iss: undefined } }],
    ["another audience", { payload: { aud: "darkroom-job" } }],
    ["no audience", { payload: { aud: undefined } }],
    ["another type", { header: { typ: "JWT" } }],
    ["a job token's type", { header: { typ: "job+jwt" } }],
    ["no type", { header: { typ: undefined } }],
    ["no subject", { payload: { sub: undefined } }],
    ["no session", { payload: { sid: undefined } }],
    ["a session that is no text", { payload: { sid: 1 } }],
    ["no end", { payload: { exp: undefined } }],
    ["no beginning", { payload: { iat: undefined } }],
    ["an end in the past", { payload: { exp: 1 } }],
    ["a beginning in the future", { payload: { nbf: 99_999_999_999 } }],
  ])("are refused with %s", async (_, change) => {
    const all = await open();
    await expectRefused(all.tokens, await forged(all, change));
  });

  test("are refused unsigned", async () => {
    const { tokens, token } = await open();
    const payload = decodeJwt(token);
    await expectRefused(tokens, new UnsecuredJWT(payload).encode());
    const [, body = ""] = token.split(".");
    for (const alg of ["none", "None", "NONE", ""]) {
      const header = Buffer.from(JSON.stringify({ alg, typ: "at+jwt" })).toString("base64url");
      await expectRefused(tokens, `${header}.${body}.`);
    }
  });

  test("are not mistaken for a job's, nor a job's for them", async () => {
    const { tokens, token, secrets, clock, expiresAt } = await open();
    const jobTokens = await openJobTokens(secrets, clock);
    const job = jobTokens.issue({ jobId: "job", attempt: 1 }, expiresAt);
    expect(jobTokens.recognises(token)).toBe(false);
    await expectRefused(tokens, job);
    expect(() => jobTokens.verify(token)).toThrow(InvalidToken);
  });

  test("are refused with an InvalidToken when they are none", async () => {
    const { tokens, token } = await open();
    const twice = `${token}.${token}`;
    for (const text of ["", ".", "..", "a.b.c", "token", "é.é.é", token.slice(0, -20), twice, ` ${token}`, "{}"]) {
      await expectRefused(tokens, text);
    }
  });
});

test.each(["HS384", "HS512"])("access tokens signed by JWT_SECRET are refused under %s", async (alg) => {
  const { tokens, token } = await opened({ secret: jwtSecret.repeat(2) });
  const key = Buffer.from(jwtSecret.repeat(2));
  const sign = (header: { alg: string; typ: string }) =>
    new SignJWT(decodeJwt(token)).setProtectedHeader(header).sign(key);
  expect(await tokens.verify(await sign({ alg: "HS256", typ: "at+jwt" }))).toStrictEqual(claims);
  await expectRefused(tokens, await sign({ alg, typ: "at+jwt" }));
});

describe("an installation's signing key", () => {
  test("cannot be confused with a shared secret: its public half signs nothing", async () => {
    const { tokens, token, secrets } = await opened();
    const { d, ...publicJwk } = await storedJwk(secrets);
    expect(typeof d).toBe("string");
    const header = { alg: "HS256", typ: "at+jwt", kid: decodeProtectedHeader(token).kid ?? "" };
    for (const key of [
      Buffer.from(publicJwk.x, "base64url"),
      Buffer.from(JSON.stringify(publicJwk)),
      Buffer.from(publicJwk.x),
    ]) {
      await expectRefused(tokens, await new SignJWT(decodeJwt(token)).setProtectedHeader(header).sign(key));
    }
  });

  test("is not taken from the token", async () => {
    const { tokens, token } = await opened();
    const { publicKey, privateKey } = await crypto.subtle
      .generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
      .then((pair) => {
        if (!("privateKey" in pair)) throw new Error("a pair was asked for");
        return pair;
      });
    const jwk = await crypto.subtle.exportKey("jwk", publicKey);
    const { kid = "" } = decodeProtectedHeader(token);
    const header = {
      alg: "ES256",
      typ: "at+jwt",
      kid,
      jwk: { kty: "EC", crv: "P-256", x: jwk.x ?? "", y: jwk.y ?? "" },
    };
    await expectRefused(tokens, await new SignJWT(decodeJwt(token)).setProtectedHeader(header).sign(privateKey));
  });

  test("goes on as it is where an earlier version made it", async () => {
    const secrets = openSecrets();
    const { privateKey } = await generateKeyPair("Ed25519", { extractable: true });
    await secrets.getOrCreate("access-token-key", JSON.stringify(await exportJWK(privateKey)));
    const tokens = await openTokens(secrets, undefined, movableClock());
    const { token } = await tokens.forSession(session, account);
    expect(decodeProtectedHeader(token).alg).toBe("EdDSA");
    expect(await tokens.verify(token)).toStrictEqual(claims);
  });

  test("is the same for processes that start at once", async () => {
    const clock = movableClock();
    const secrets = openSecrets();
    const opening = () => openTokens(secrets, undefined, clock);
    const all = await Promise.all([opening(), opening(), opening()]);
    const { token } = (await all[0]?.forSession(session, account)) ?? { token: "" };
    for (const tokens of all) expect(await tokens.verify(token)).toStrictEqual(claims);
  });

  test("ends to count when JWT_SECRET is set, and the other way round", async () => {
    const { secrets, token, clock } = await opened();
    const shared = await openTokens(secrets, jwtSecret, clock);
    await expectRefused(shared, token);
    const pair = await openTokens(secrets, undefined, clock);
    await expectRefused(pair, (await shared.forSession(session, account)).token);
  });
});

describe("access tokens of other surfaces", () => {
  const of = (surface: "supabase" | "pocketbase") =>
    opened().then(async ({ tokens, clock }) => {
      const issued = await tokens.forSession(
        sampleSession({ accountId: account.id, surface, expiresAt: 8.64e15, idleAt: 8.64e15 }),
        account,
      );
      return {
        ...issued,
        tokens,
        clock,
        payload: decodeJwt(issued.token),
        header: decodeProtectedHeader(issued.token),
      };
    });

  test("say what Supabase's callers read, live an hour, and are good everywhere", async () => {
    const { tokens, token, payload, header, expiresAt, clock } = await of("supabase");
    expect(header.typ).toBe("JWT");
    expect(payload).toMatchObject({
      sub: account.id,
      aud: "authenticated",
      role: "authenticated",
      email: account.email,
    });
    expect(payload.session_id).toBe(payload.sid);
    expect(Math.round((expiresAt - clock()) / 60_000)).toBe(60);
    expect(await tokens.verify(token)).toMatchObject({ kind: "user", accountId: account.id });
  });

  test("say what PocketBase's callers read, live 14 days, and are good everywhere", async () => {
    const { tokens, token, payload, header, expiresAt, clock } = await of("pocketbase");
    expect(header.typ).toBe("at+jwt");
    expect(payload).toMatchObject({ id: account.recordId, type: "authRecord", collectionId: "_pb_users_auth_" });
    expect(Math.round((expiresAt - clock()) / 86_400_000)).toBe(14);
    expect(await tokens.verify(token)).toMatchObject({ kind: "user", accountId: account.id });
  });
});
