import { exportJWK, generateKeyPair, type JWK } from "jose";
import { describe, expect, test } from "vitest";
import { openAccessTokens } from "../../src/crypto/access-tokens.ts";
import { KeyRing, publicJwk } from "../../src/crypto/key-ring.ts";
import { ringSigner } from "../../src/crypto/signer.ts";
import { publishAheadMs } from "../../src/model/signing-key.ts";
import { InvalidToken } from "../../src/ports/credentials.ts";
import type { SecretStore } from "../../src/ports/secret-store.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { sampleSession } from "../contracts/samples.ts";
import { openSecrets } from "./opened-secrets.ts";

const tokenMs = 3_600_000;
const rotateMs = 90 * 24 * tokenMs;
const session = sampleSession();

/** An installation with several servers. */
async function opened(secrets: SecretStore = openSecrets()) {
  const clock = movableClock();
  const server = async () => {
    const ring = await KeyRing.open({ secrets, clock, tokenMs, rotateMs });
    return { ring, tokens: openAccessTokens({ signer: ringSigner(ring), clientTokenMs: tokenMs, clock }) };
  };
  return { clock, secrets, server, here: await server(), there: await server() };
}

describe("a ring of signing keys", () => {
  test("is the same for all servers, and begins with the key of earlier versions", async () => {
    const { privateKey } = await generateKeyPair("Ed25519", { extractable: true });
    const jwk: JWK = await exportJWK(privateKey);
    const secrets = openSecrets();
    await secrets.getOrCreate("access-token-key", JSON.stringify(jwk));
    const { here, there } = await opened(secrets);
    for (const { ring } of [here, there]) expect((await ring.list()).map(({ jwk: { x } }) => x)).toEqual([jwk.x]);
  });

  test("publishes a new key before it signs, and keeps the old one until its last token has expired", async () => {
    const { here, clock } = await opened();
    const old = await here.ring.current();
    const fresh = await here.ring.rotate(false);
    expect((await here.ring.list()).map(({ id }) => id)).toEqual([fresh.id, old.id]);
    clock.advance(publishAheadMs - 1);
    expect((await here.ring.current()).id).toBe(old.id);
    clock.advance(1);
    expect((await here.ring.current()).id).toBe(fresh.id);
    clock.advance(tokenMs - 1);
    expect(await here.ring.list()).toHaveLength(2);
    clock.advance(1);
    expect((await here.ring.list()).map(({ id }) => id)).toEqual([fresh.id]);
  });

  test("refuses no token that is valid, however often keys rotate, on any server", async () => {
    const { here, there, clock } = await opened();
    const alive: { token: string; expiresAt: number }[] = [];
    for (let turn = 0; turn < 12; turn++) {
      const by = turn % 2 === 0 ? here : there;
      await by.ring.rotate(false);
      alive.push(await here.tokens.forSession(session), await there.tokens.forSession(session));
      clock.advance(publishAheadMs);
      for (const { token } of alive.filter(({ expiresAt }) => clock() < expiresAt)) {
        for (const { tokens } of [here, there]) expect((await tokens.verify(token)).kind).toBe("user");
      }
    }
  });

  test("drops all others for a key that replaces a leaked one, everywhere within two seconds", async () => {
    const { here, there, clock } = await opened();
    const { token } = await here.tokens.forSession(session);
    for (const { tokens } of [here, there]) await tokens.verify(token);
    await here.ring.rotate(true);
    await expect(here.tokens.verify(token)).rejects.toBeInstanceOf(InvalidToken);
    clock.advance(1500);
    await expect(there.tokens.verify(token)).rejects.toBeInstanceOf(InvalidToken);
    const { token: next } = await there.tokens.forSession(session);
    await here.tokens.verify(next);
  });

  test("makes one new key when the newest is too old, whoever notices", async () => {
    const { here, there, clock } = await opened();
    clock.advance(rotateMs);
    const old = await here.ring.current();
    await Promise.all([here.ring.current(), there.ring.current(), there.ring.current()]);
    clock.advance(1500);
    for (const { ring } of [here, there]) expect(await ring.list()).toHaveLength(2);
    clock.advance(publishAheadMs);
    expect((await there.ring.current()).id).not.toBe(old.id);
  });

  test("asks the store no more than once a second for keys that nobody knows", async () => {
    const { here, secrets, clock } = await opened();
    let reads = 0;
    const counting: SecretStore = {
      ...secrets,
      getOrCreate(name, candidate) {
        reads += 1;
        return secrets.getOrCreate(name, candidate);
      },
    };
    const ring = await KeyRing.open({ secrets: counting, clock, tokenMs, rotateMs });
    reads = 0;
    clock.advance(1000);
    for (let kid = 0; kid < 50; kid++) expect(await ring.find(`forged ${kid}`)).toBeUndefined();
    expect(reads).toBe(1);
    expect((await ring.find((await here.ring.current()).id))?.algorithm).toBe("EdDSA");
  });

  test("shows its public parts alone", async () => {
    const { here } = await opened();
    const key = publicJwk(await here.ring.current());
    expect(Object.keys(key).toSorted()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
  });
});
