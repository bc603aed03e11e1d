import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { openAccessTokens } from "../../src/crypto/access-tokens.ts";
import { openJobTokens } from "../../src/crypto/job-tokens.ts";
import { KeyRing } from "../../src/crypto/key-ring.ts";
import { openRelayIdentities } from "../../src/crypto/relay-identities.ts";
import { ringSigner } from "../../src/crypto/signer.ts";
import { publishAheadMs } from "../../src/model/signing-key.ts";
import { InvalidToken } from "../../src/ports/credentials.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { sampleAccount } from "../contracts/samples.ts";
import { shareSecrets } from "./opened-secrets.ts";

const openSecrets = shareSecrets();

const rotateMs = 24 * 60 * 60 * 1000;
const caller = { kind: "user", account: sampleAccount(), sessionId: "session" } as const;

async function opened() {
  const clock = movableClock();
  const secrets = openSecrets();
  const options = { secrets, clock, tokenMs: 120_000, rotateMs };
  const identities = openRelayIdentities(await KeyRing.open({ ...options, use: "relay-identity" }), clock);
  async function verify(identity: string) {
    const keys = createLocalJWKSet((await identities.keySet()) as JSONWebKeySet);
    const rules = { issuer: "darkroom", audience: "darkroom-relay", typ: "relay-identity+jwt" };
    return (await jwtVerify(identity, keys, { ...rules, currentDate: new Date(clock()) })).payload;
  }
  return { clock, secrets, options, identities, verify };
}

test("an identity is good for a minute", async () => {
  const { clock, identities, verify } = await opened();
  const identity = await identities.issue(caller);
  clock.advance(58_000);
  expect(await verify(identity)).toMatchObject({ sub: caller.account.id, kind: "user" });
  clock.advance(3000);
  await expect(verify(identity)).rejects.toThrow(/exp/);
});

test("no two identities are the same", async () => {
  const { identities } = await opened();
  const [one, two] = await Promise.all([identities.issue(caller), identities.issue(caller)]);
  expect(decodeJwt(one).jti).not.toBe(decodeJwt(two).jti);
});

test("its key is replaced by one that was published before, and none is refused meanwhile", async () => {
  const { clock, identities, verify } = await opened();
  const kids = async () => (await identities.keySet()).keys.map((key) => (key as { kid: string }).kid);
  const [first] = await kids();
  clock.advance(rotateMs + 1);
  await verify(await identities.issue(caller));
  const both = await kids();
  expect(both).toHaveLength(2);
  expect(both).toContain(first);
  clock.advance(publishAheadMs + 1);
  await verify(await identities.issue(caller));
});

test("no other token's checks take it, though all keys lie in the same store", async () => {
  const { clock, secrets, options, identities } = await opened();
  const signer = ringSigner(await KeyRing.open(options));
  const accessTokens = openAccessTokens({ signer, clientTokenMs: 60_000, clock });
  const jobTokens = await openJobTokens(secrets, clock);
  const identity = await identities.issue(caller);
  await expect(accessTokens.verify(identity)).rejects.toBeInstanceOf(InvalidToken);
  expect(jobTokens.recognises(identity)).toBe(false);
  expect(() => jobTokens.verify(identity)).toThrow(InvalidToken);
  // Nor by the very same key.
  const shared = openRelayIdentities(await KeyRing.open(options), clock);
  await expect(accessTokens.verify(await shared.issue(caller))).rejects.toBeInstanceOf(InvalidToken);
});
