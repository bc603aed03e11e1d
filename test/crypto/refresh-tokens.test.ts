import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openRefreshTokens } from "../../src/crypto/refresh-tokens.ts";
import { shareSecrets } from "./opened-secrets.ts";

const openSecrets = shareSecrets();

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

async function opened() {
  const secrets = openSecrets();
  const tokens = await openRefreshTokens(secrets);
  const sessionId = randomUUID();
  return { secrets, tokens, sessionId, first: tokens.first(sessionId) };
}

describe("refresh tokens", () => {
  test("tell their session and the hash that is stored", async () => {
    const { tokens, sessionId, first } = await opened();
    expect(tokens.read(first.token)).toStrictEqual({ sessionId, hash: first.hash });
    expect(first.token).not.toContain(first.hash);
  });

  test("are different for each login, in one session too", async () => {
    const { tokens, sessionId, first } = await opened();
    const others = [tokens.first(sessionId), tokens.first(randomUUID())];
    expect(new Set([first, ...others].map(({ token }) => token)).size).toBe(3);
    expect(new Set([first, ...others].map(({ hash }) => hash)).size).toBe(3);
  });

  test("have always the same successor, in other processes too", async () => {
    const { tokens, secrets, first } = await opened();
    const successor = tokens.successor(first.token);
    expect(tokens.successor(first.token)).toStrictEqual(successor);
    expect((await openRefreshTokens(secrets)).successor(first.token)).toStrictEqual(successor);
  });

  test("have successors of the same session, that never come back to an earlier one", async () => {
    const { tokens, sessionId, first } = await opened();
    const hashes = new Set([first.hash]);
    let { token } = first;
    for (let generation = 1; generation <= 50; generation += 1) {
      const next = tokens.successor(token);
      expect(tokens.read(next.token)).toStrictEqual({ sessionId, hash: next.hash });
      hashes.add(next.hash);
      expect(hashes.size).toBe(generation + 1);
      token = next.token;
    }
  });

  test("have successors that nobody else can work out", async () => {
    const { tokens, first } = await opened();
    const others = await openRefreshTokens(openSecrets());
    expect(others.successor(first.token).hash).not.toBe(tokens.successor(first.token).hash);
  });

  test("are unknown to another installation", async () => {
    const { first } = await opened();
    expect((await openRefreshTokens(openSecrets())).read(first.token)).toBeUndefined();
  });

  test("are unknown with any character changed, taken away or added", async () => {
    const { tokens, first } = await opened();
    const { token } = first;
    const taken: string[] = [];
    for (let at = 0; at < token.length; at += 1) {
      for (const letter of alphabet) {
        const changed = `${token.slice(0, at)}${letter}${token.slice(at + 1)}`;
        if (changed !== token && tokens.read(changed) !== undefined) taken.push(changed);
      }
      const [shorter, longer] = [token.slice(0, at) + token.slice(at + 1), `${token.slice(0, at)}A${token.slice(at)}`];
      expect([shorter, longer].map((text) => tokens.read(text))).toEqual([undefined, undefined]);
    }
    for (const text of [`${token}=`, `${token}\n`, ` ${token}`, `${token}A`, token.toLowerCase()]) {
      expect(tokens.read(text)).toBeUndefined();
    }
    expect(taken).toEqual([]);
  });

  test("are unknown with another's session under their secret", async () => {
    const { tokens, first } = await opened();
    const other = Buffer.from(tokens.first(randomUUID()).token, "base64url");
    const spliced = Buffer.concat([other.subarray(0, 16), Buffer.from(first.token, "base64url").subarray(16)]);
    expect(tokens.read(spliced.toString("base64url"))).toBeUndefined();
  });

  test("cannot be made up", async () => {
    const { tokens } = await opened();
    const alike = fc
      .uint8Array({ minLength: 64, maxLength: 64 })
      .map((bytes) => Buffer.from(bytes).toString("base64url"));
    fc.assert(
      fc.property(
        fc.oneof(alike, fc.string({ unit: "binary" }), fc.stringMatching(/^[A-Za-z0-9_-]{0,120}$/)),
        (text) => {
          expect(tokens.read(text)).toBeUndefined();
        },
      ),
      { numRuns: 300 },
    );
    for (const text of ["", "A".repeat(86), "A".repeat(1_000_000), "\0".repeat(86)]) {
      expect(tokens.read(text)).toBeUndefined();
    }
  });
});
