import { exportJWK, generateKeyPair, type JWK } from "jose";
import { describe, expect, test } from "vitest";
import { openCredentials } from "../../src/app/credentials.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { openAccessTokens } from "../../src/crypto/access-tokens.ts";
import { KeyRing, publicJwk } from "../../src/crypto/key-ring.ts";
import { ringSigner } from "../../src/crypto/signer.ts";
import { publishAheadMs } from "../../src/model/signing-key.ts";
import { type Surface, termsOf } from "../../src/model/surface.ts";
import { InvalidToken } from "../../src/ports/credentials.ts";
import type { SecretStore } from "../../src/ports/secret-store.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { sampleAccount, sampleSession } from "../contracts/samples.ts";
import { shareSecrets } from "./opened-secrets.ts";

const openSecrets = shareSecrets();

const tokenMs = 3_600_000;
const rotateMs = 90 * 24 * tokenMs;
const account = sampleAccount();
const session = sampleSession({ accountId: account.id });

/** An installation with several servers. */
async function opened(secrets: SecretStore = openSecrets()) {
  const clock = movableClock();
  const server = async () => {
    const ring = await KeyRing.open({ secrets, clock, tokenMs, rotateMs });
    return { ring, tokens: openAccessTokens({ signer: ringSigner(ring), clientTokenMs: tokenMs, clock }) };
  };
  return { clock, secrets, server, here: await server(), there: await server() };
}

/** The same secrets, with how often they were read. */
function counted(secrets: SecretStore): { store: SecretStore; count: number } {
  const reads = {
    count: 0,
    store: {
      ...secrets,
      getOrCreate(name: string, candidate: string) {
        reads.count += 1;
        return secrets.getOrCreate(name, candidate);
      },
    },
  };
  return reads;
}

/** The same secrets, of which the next read, once `isNext` is set, does `work` before it answers. */
function slowedOnce(secrets: SecretStore, work: () => Promise<void>): { store: SecretStore; isNext: boolean } {
  const slowed = {
    isNext: false,
    store: {
      ...secrets,
      async getOrCreate(name: string, candidate: string) {
        const value = await secrets.getOrCreate(name, candidate);
        if (slowed.isNext) {
          slowed.isNext = false;
          await work();
        }
        return value;
      },
    },
  };
  return slowed;
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
      alive.push(await here.tokens.forSession(session, account), await there.tokens.forSession(session, account));
      clock.advance(publishAheadMs);
      for (const { token } of alive.filter(({ expiresAt }) => clock() < expiresAt)) {
        for (const { tokens } of [here, there]) expect((await tokens.verify(token)).kind).toBe("user");
      }
    }
  });

  test.each(Object.keys(termsOf) as Surface[])(
    "keeps a server's old key as long as tokens of %s live",
    async (surface) => {
      const clock = movableClock();
      const { accessTokens, signingKeys } = await openCredentials(readServerConfig({}), openSecrets(), clock);
      await signingKeys.rotate(false);
      clock.advance(publishAheadMs - 1);
      const { token, expiresAt } = await accessTokens.forSession({ ...session, surface }, account);
      clock.advance(expiresAt - 1 - clock());
      expect((await accessTokens.verify(token)).kind).toBe("user");
    },
  );

  test("drops all others for a key that replaces a leaked one, everywhere within two seconds", async () => {
    const { here, there, clock } = await opened();
    const { token } = await here.tokens.forSession(session, account);
    for (const { tokens } of [here, there]) await tokens.verify(token);
    await here.ring.rotate(true);
    await expect(here.tokens.verify(token)).rejects.toBeInstanceOf(InvalidToken);
    clock.advance(1500);
    await expect(there.tokens.verify(token)).rejects.toBeInstanceOf(InvalidToken);
    const { token: next } = await there.tokens.forSession(session, account);
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

  test.each([0, 500, 999, 1500])("is known at once where it was read %d ms before the key leaked", async (gap) => {
    const { here, there, clock } = await opened();
    await there.ring.list();
    await here.ring.rotate(true);
    clock.advance(gap);
    const { token } = await here.tokens.forSession(session, account);
    expect((await there.tokens.verify(token)).kind).toBe("user");
  });

  test("gives the key that waits to whoever asks for a new one, and drops what leaked from every secret", async () => {
    const { here, there, secrets } = await opened();
    const old = await here.ring.current();
    const asked = await Promise.all([here.ring.rotate(false), there.ring.rotate(false), there.ring.rotate(false)]);
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1);
    expect(await here.ring.list()).toHaveLength(2);
    const fresh = await here.ring.rotate(true);
    expect((await here.ring.list()).map(({ id }) => id)).toEqual([fresh.id]);
    for (const name of ["access-token-key", "access-token-keys"]) {
      expect(await secrets.getOrCreate(name, "")).not.toContain(old.jwk.d);
    }
  });

  test("is read once for all who ask at once, of keys that are known or not", async () => {
    const { here, secrets, clock } = await opened();
    const reads = counted(secrets);
    const ring = await KeyRing.open({ secrets: reads.store, clock, tokenMs, rotateMs });
    const { id } = await here.ring.current();
    clock.advance(1500);
    reads.count = 0;
    const found = await Promise.all(Array.from({ length: 50 }, () => ring.find(id)));
    expect([found.every((key) => key?.id === id), reads.count]).toEqual([true, 1]);
    reads.count = 0;
    await Promise.all(Array.from({ length: 50 }, (_, kid) => ring.find(`forged ${kid}`)));
    expect(reads.count).toBe(1);
  });

  test("brings nothing back by a slow read that began before", async () => {
    const { secrets, clock } = await opened();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const slowed = slowedOnce(secrets, () => released);
    const ring = await KeyRing.open({ secrets: slowed.store, clock, tokenMs, rotateMs });
    const old = await ring.current();
    clock.advance(1500);
    slowed.isNext = true;
    const slow = ring.list();
    await expect.poll(() => slowed.isNext).toBe(false);
    await ring.rotate(true);
    release();
    expect((await slow).some(({ id }) => id === old.id)).toBe(false);
    expect(await ring.find(old.id)).toBeUndefined();
  });

  test("leaves no expired key in the store once another is made", async () => {
    const { here, secrets, clock } = await opened();
    const second = await here.ring.rotate(false);
    clock.advance(publishAheadMs + tokenMs);
    const third = await here.ring.rotate(false);
    const stored: { id: string }[] = JSON.parse(await secrets.getOrCreate("access-token-keys", ""));
    expect(stored.map(({ id }) => id)).toEqual([third.id, second.id]);
  });

  test("knows a dropped key for no longer from the start of a read on, however long that took", async () => {
    const { secrets, clock, there } = await opened();
    const slowed = slowedOnce(secrets, async () => {
      clock.advance(1000);
      await there.ring.rotate(true);
    });
    const ring = await KeyRing.open({ secrets: slowed.store, clock, tokenMs, rotateMs });
    const { id } = await ring.current();
    clock.advance(1500);
    slowed.isNext = true;
    expect(await ring.find(id)).toBeDefined();
    clock.advance(500);
    expect(await ring.find(id)).toBeUndefined();
  });

  test("asks the store no more than once a second for keys that nobody knows", async () => {
    const { here, secrets, clock } = await opened();
    const reads = counted(secrets);
    const ring = await KeyRing.open({ secrets: reads.store, clock, tokenMs, rotateMs });
    reads.count = 0;
    clock.advance(1000);
    for (let kid = 0; kid < 50; kid++) expect(await ring.find(`forged ${kid}`)).toBeUndefined();
    expect(reads.count).toBe(1);
    expect((await ring.find((await here.ring.current()).id))?.algorithm).toBe("ES256");
  });

  test("shows its public parts alone", async () => {
    const { here } = await opened();
    const key = publicJwk(await here.ring.current());
    expect(Object.keys(key).toSorted()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
  });
});
