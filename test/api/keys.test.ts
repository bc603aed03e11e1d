import { createRemoteJWKSet, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn, signInAdmin } from "../support/server.ts";

async function opened(env: Readonly<Record<string, string>> = {}) {
  const server = await serve(env, { worker: false });
  const login = async () => (await signInAdmin(server)).credential;
  return { ...server, login, admin: await login() };
}

describe("signing keys", () => {
  test("are published, so that services check tokens by themselves, before and after a rotation", async () => {
    const server = await opened();
    const { token, account } = await signIn(server);
    // As docs/clients.md has it, but for the wait between two looks.
    const address = new URL("/.well-known/jwks.json", server.url);
    const keys = createRemoteJWKSet(address, { cacheMaxAge: 60_000, cooldownDuration: 0 });
    const rules = { issuer: "darkroom", audience: "darkroom", typ: "at+jwt", algorithms: ["ES256"] };
    const check = async (credential: string) => (await jwtVerify(credential, keys, rules)).payload.sub;
    expect(await check(token)).toBe(account?.id);

    await server.auth.rotateSigningKey({}, server.admin);
    const both = (await (await fetch(address)).json()) as { keys: object[] };
    expect(both.keys).toHaveLength(2);
    for (const key of both.keys) expect(key).not.toHaveProperty("d");
    expect(await check((await signIn(server)).token)).toBeTypeOf("string");

    // What the server has checked once it remembers.
    await server.auth.checkAuth({}, bearer(token));
    await server.auth.rotateSigningKey({ immediately: true }, server.admin);
    const fresh = await signIn(server);
    expect(await check(fresh.token)).toBe(fresh.account?.id);
    expect(await refusal(server.auth.checkAuth({}, bearer(token)))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
  });

  test("rotate without refusing anybody", async () => {
    const server = await opened();
    const user = await signIn(server);
    const { key } = await server.auth.rotateSigningKey({}, server.admin);
    for (const credential of [user.credential, server.admin, await server.login()])
      await server.auth.checkAuth({}, credential);
    const { keys } = await server.auth.listSigningKeys({}, server.admin);
    expect(keys.map(({ id }) => id)[0]).toBe(key?.id);
    expect(keys).toHaveLength(2);
    expect(keys.map(({ expireTime }) => expireTime === undefined)).toEqual([true, false]);
    expect((key?.activateTime?.seconds ?? 0n) - (key?.createTime?.seconds ?? 0n)).toBe(300n);
  });

  test("have no private part in what anybody can read", async () => {
    const { url } = await opened();
    const response = await fetch(`${url}/.well-known/jwks.json`);
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "public, max-age=60"]);
    const { keys } = (await response.json()) as { keys: Record<string, string>[] };
    expect(keys).toHaveLength(1);
    expect(keys[0]).toMatchObject({ kty: "EC", crv: "P-256", alg: "ES256", use: "sig" });
    expect(keys[0]).not.toHaveProperty("d");
  });

  test("are none where JWT_SECRET signs", async () => {
    const { url, auth, admin } = await opened({ JWT_SECRET: "a secret of at least thirty-two characters" });
    expect(await (await fetch(`${url}/.well-known/jwks.json`)).json()).toEqual({ keys: [] });
    const shared = { code: "FailedPrecondition", reason: "SHARED_SECRET" };
    expect(await refusal(auth.listSigningKeys({}, admin))).toMatchObject(shared);
    expect(await refusal(auth.rotateSigningKey({}, admin))).toMatchObject(shared);
  });
});
