import { describe, expect, test } from "vitest";
import { challengeOf, credentialOf } from "../../src/model/auth-headers.ts";
import { checkFields, DomainError, unauthenticated } from "../../src/model/errors.ts";
import { isId } from "../../src/model/ids.ts";
import { isSessionAlive, isSessionOf, sessionEnd } from "../../src/model/session.ts";
import { firstDate } from "../../src/model/usage.ts";
import { sampleAccount, sampleSession, sampleTime } from "../contracts/samples.ts";
import { thrownBy } from "./thrown.ts";

test.each([
  ["Bearer token", "token"],
  ["bearer token", "token"],
  ["BEARER   to.k-e_n  ", "to.k-e_n"],
  ["token", undefined],
  ["Bearer", undefined],
  ["Bearer ", undefined],
  ["Bearer a b", undefined],
  ["Basic dXNlcjpwYXNz", undefined],
  [" Bearer token", undefined],
  ["Bearertoken", undefined],
  ["", undefined],
  [undefined, undefined],
])("the credential in %j is %j", (header, credential) =>
  expect(credentialOf({ authorization: header, apiKey: undefined })).toBe(credential),
);

test.each([
  ...["CREDENTIAL_INVALID", "SESSION_ENDED", "ACCOUNT_UNUSABLE", "JOB_ENDED", "LEASE_LOST", "OWNER_UNUSABLE"].map(
    (reason) => [reason, ', error="invalid_token"'],
  ),
  ...["CREDENTIAL_MISSING", "LOGIN_FAILED", "PASSWORD_WRONG"].map((reason) => [reason, ""]),
])("what is refused for %s is challenged with%s", (reason = "", error = "") => {
  expect(challengeOf(unauthenticated(reason, ""))).toBe(`Bearer realm="darkroom"${error}`);
});

test.each(["a", "AZaz09_-", "x".repeat(64), "2b1c5a9e-7f0d-4a53-9d58-0f2a3b4c5d6e"])("%j can be an id", (id) => {
  expect(isId(id)).toBe(true);
});

test.each(["", "x".repeat(65), "a/b", "..", ".", "a\0", "a\n", "é", "a b", "%2e"])("%j can be no id", (id) => {
  expect(isId(id)).toBe(false);
});

test("a session ends at the earlier of its two ends, and is not alive at it", () => {
  const early = sampleTime + 5;
  for (const session of [
    sampleSession({ idleAt: early, expiresAt: early + 1 }),
    sampleSession({ idleAt: early + 1, expiresAt: early }),
  ]) {
    expect(sessionEnd(session)).toBe(early);
    expect(isSessionAlive(session, early - 1)).toBe(true);
    expect(isSessionAlive(session, early)).toBe(false);
  }
});

test("a session is its account's unless that has ended all older ones, but for the one that it kept", () => {
  const session = sampleSession({ epoch: 1 });
  for (const [sessionEpoch, isTheirs] of [
    [0, true],
    [1, true],
    [2, false],
  ] as const) {
    expect(isSessionOf(session, sampleAccount({ sessionEpoch }))).toBe(isTheirs);
    expect(isSessionOf(session, sampleAccount({ sessionEpoch, keptSessionId: session.id }))).toBe(true);
  }
});

test("usage is told of as many days as are asked for, today's too, and of 30 otherwise", () => {
  const now = Date.UTC(2026, 2, 1, 12);
  expect([1, 2, 30, 0].map((days) => firstDate(days, now))).toEqual([
    "2026-03-01",
    "2026-02-28",
    "2026-01-31",
    "2026-01-31",
  ]);
  expect(thrownBy(() => firstDate(91, now))).toMatchObject({ violations: [{ field: "days" }] });
});

describe("checking fields", () => {
  test("passes when none broke a rule", () => checkFields({ a: () => undefined, b: () => undefined }));

  test("names every field that broke one", () => {
    const error = thrownBy(() => checkFields({ a: () => "must be a", b: () => undefined, c: () => "must be c" }));
    expect(error).toBeInstanceOf(DomainError);
    expect(error).toMatchObject({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      message: "a: must be a; c: must be c",
      violations: [
        { field: "a", rule: "must be a" },
        { field: "c", rule: "must be c" },
      ],
    });
  });
});
