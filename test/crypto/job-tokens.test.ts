import { decodeJwt, SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, test } from "vitest";
import { openJobTokens } from "../../src/crypto/job-tokens.ts";
import { InvalidToken, type JobTokens } from "../../src/ports/credentials.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { thrownBy } from "../model/thrown.ts";
import { altered, shareSecrets } from "./opened-secrets.ts";

const openSecrets = shareSecrets();

async function opened() {
  const clock = movableClock();
  const secrets = openSecrets();
  const tokens = await openJobTokens(secrets, clock);
  const expiresAt = clock() + 60_000;
  const token = tokens.issue({ jobId: "job", attempt: 2 }, expiresAt);
  return { clock, secrets, tokens, token, expiresAt };
}

function expectRefused(tokens: JobTokens, token: string): void {
  expect(() => tokens.verify(token)).toThrow(InvalidToken);
}

describe("job tokens", () => {
  test.each([null, 1, 3])("are read back, with the attempt %j", async (attempt) => {
    const { tokens, expiresAt } = await opened();
    const token = tokens.issue({ jobId: "job", attempt }, expiresAt);
    expect(tokens.verify(token)).toStrictEqual({ jobId: "job", attempt });
    expect(tokens.recognises(token)).toBe(true);
  });

  test("live until the job's end, to the second", async () => {
    const { tokens, token, clock } = await opened();
    clock.advance(60_000 - 1);
    expect(tokens.verify(token)).toMatchObject({ jobId: "job" });
    clock.advance(1001);
    expect(thrownBy(() => tokens.verify(token))).toMatchObject({ code: "unauthenticated", reason: "JOB_ENDED" });
  });

  test("are good in another process and after a restart, and nowhere else", async () => {
    const { secrets, token, clock } = await opened();
    expect((await openJobTokens(secrets, clock)).verify(token)).toMatchObject({ jobId: "job", attempt: 2 });
    expectRefused(await openJobTokens(openSecrets(), clock), token);
  });

  test("are recognised by their type alone", async () => {
    const { tokens, token } = await opened();
    expect(tokens.recognises(altered(token, -5))).toBe(true);
    for (const text of ["", ".", "a.b.c", "token", "é.é.é", new UnsecuredJWT({}).encode()]) {
      expect(tokens.recognises(text)).toBe(false);
    }
  });

  test("are refused when a character of them is another", async () => {
    const { tokens, token } = await opened();
    for (const at of [0, token.indexOf(".") + 2, token.lastIndexOf(".") - 3, token.lastIndexOf(".") + 2, -5]) {
      expectRefused(tokens, altered(token, at));
    }
  });

  test("are refused by another issuer, for another audience, of another type or without a job", async () => {
    const { tokens, token, secrets } = await opened();
    const key = Buffer.from(await secrets.getOrCreate("job-token-key", "none"), "base64url");
    const payload = decodeJwt(token);
    const sign = (change: object, typ = "job+jwt", alg = "HS256") =>
      new SignJWT({ ...payload, ...change }).setProtectedHeader({ alg, typ }).sign(key);
    expect(tokens.verify(await sign({}))).toMatchObject({ jobId: "job", attempt: 2 });
    for (const change of [{ iss: "other" }, { aud: "darkroom" }, { sub: undefined }, { exp: undefined }]) {
      expectRefused(tokens, await sign(change));
    }
    expectRefused(tokens, await sign({}, "at+jwt"));
    expectRefused(tokens, await sign({}, "job+jwt", "HS512"));
    expectRefused(tokens, new UnsecuredJWT(payload).encode());
  });
});
