import bcrypt from "bcrypt";
import { describe, expect, test } from "vitest";
import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { sqliteSecretStore } from "../../src/adapters/sqlite/secret-store.ts";
import { sqliteSessionStore } from "../../src/adapters/sqlite/session-store.ts";
import { sqliteSignInAttemptStore } from "../../src/adapters/sqlite/sign-in-attempt-store.ts";
import { Guessing } from "../../src/core/accounts/guessing.ts";
import { Sessions, type Tokens } from "../../src/core/accounts/sessions.ts";
import { openAccessTokens } from "../../src/crypto/access-tokens.ts";
import { sessionTokens } from "../../src/crypto/named-secrets.ts";
import { openRefreshTokens } from "../../src/crypto/refresh-tokens.ts";
import { sharedSecret } from "../../src/crypto/signer.ts";
import { type Account, withPassword } from "../../src/model/account.ts";
import { refreshGraceMs } from "../../src/model/session.ts";
import { termsOf } from "../../src/model/surface.ts";
import type { SessionStore } from "../../src/ports/session-store.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { atOnce, sampleAccount } from "../contracts/samples.ts";
import { quickPasswords } from "../support/passwords.ts";

const { idleMs: sessionIdleMs, lifeMs: sessionLifeMs } = termsOf.own;

const password = "correct horse battery";
const passwordHash = bcrypt.hashSync(password, 4);
const device = { userAgent: "curl/8", address: "192.0.2.7" };
const refreshed = async (sessions: Sessions, token: string) => (await sessions.refresh(token)).tokens;
const reused = { code: "unauthenticated", reason: "REFRESH_TOKEN_REUSED" };
const ended = { code: "unauthenticated", reason: "REFRESH_TOKEN_INVALID" };
const loginFailed = { code: "unauthenticated", reason: "LOGIN_FAILED" };

async function opened(wrap = (store: SessionStore): SessionStore => store) {
  const { db } = await openDatabase();
  const clock = movableClock();
  const [accounts, secrets, store] = [sqliteAccountStore(db), sqliteSecretStore(db), sqliteSessionStore(db)];
  const signer = await sharedSecret("a secret of at least thirty-two characters");
  const accessTokens = openAccessTokens({ signer, clientTokenMs: 1000, clock });
  const refreshTokens = await openRefreshTokens(secrets);
  const passwords = quickPasswords();
  const sessions = new Sessions({
    accounts,
    sessions: wrap(store),
    passwords,
    accessTokens,
    refreshTokens,
    sessionTokens,
    guessing: new Guessing({ attempts: sqliteSignInAttemptStore(db), clock }),
    clock,
  });
  const sessionOf = async (token: string) => {
    const claims = await accessTokens.verify(token);
    return claims.kind === "user" ? claims.sessionId : "";
  };
  const account = sampleAccount({ username: "Anna", usernameKey: "anna", passwordHash });
  await accounts.insert(account);
  const { tokens } = await sessions.login("anna", password, device);
  const sessionId = await sessionOf(tokens.accessToken);
  const stored = () => store.get(sessionId);
  return {
    db,
    clock,
    accounts,
    accessTokens,
    refreshTokens,
    sessions,
    account,
    store,
    tokens,
    sessionId,
    stored,
    sessionOf,
  };
}

/** What stays the same in a repeated answer; an access token is a new one each time. */
const refreshTokenOf = ({ refreshToken }: Tokens) => refreshToken;

describe("logging in", () => {
  test("starts a session that its tokens name", async () => {
    const { account, accessTokens, clock, tokens, sessionId, stored, refreshTokens } = await opened();
    expect(await accessTokens.verify(tokens.accessToken)).toEqual({ kind: "user", accountId: account.id, sessionId });
    const session = await stored();
    expect(session).toMatchObject({ accountId: account.id, ...device, createdAt: clock(), previousRefreshHash: null });
    expect(refreshTokens.read(tokens.refreshToken)).toEqual({ sessionId, hash: session?.refreshHash });
    expect(tokens.refreshTokenExpiresAt).toBe(clock() + sessionIdleMs);
    expect(JSON.stringify(session)).not.toContain(tokens.refreshToken);
  });

  test("goes by username or email address in any letter case, each time with a session of its own", async () => {
    const { sessions, account, sessionOf, sessionId } = await opened();
    const seen = new Set([sessionId]);
    for (const identity of ["ANNA", account.emailKey, account.emailKey.toUpperCase()]) {
      const { tokens } = await sessions.login(identity, password, device);
      seen.add(await sessionOf(tokens.accessToken));
    }
    expect(seen.size).toBe(4);
  });

  test("fails alike for a wrong password, an unknown name and a disabled account", async () => {
    const { sessions, accounts } = await opened();
    await accounts.insert(sampleAccount({ usernameKey: "gone", disabled: true, passwordHash }));
    const failures = [
      sessions.login("anna", `${password} `, device),
      sessions.login("nobody", password, device),
      sessions.login("nobody@example.org", password, device),
      sessions.login("gone", password, device),
    ];
    const results = await Promise.allSettled(failures);
    for (const result of results) expect(result).toMatchObject({ status: "rejected", reason: loginFailed });
    expect(new Set(results.map((result) => result.status === "rejected" && `${result.reason}`)).size).toBe(1);
  });

  test.each<[string, ((account: Account) => Account) | undefined]>([
    ["got another password", (account) => withPassword(account, bcrypt.hashSync("another one", 4), null)],
    ["was disabled", (account) => ({ ...account, disabled: true })],
    ["was deleted", undefined],
  ])("starts no session of an account that %s after its password was checked", async (_what, change) => {
    let meanwhile = async () => {};
    const { sessions, account, accounts, store } = await opened((all) => ({
      ...all,
      async insert(session) {
        await meanwhile();
        await all.insert(session);
      },
    }));
    meanwhile = async () => {
      if (change === undefined) await accounts.delete(account.id);
      else await accounts.replace({ ...change(account), version: account.version + 1 });
      await store.deleteByAccount(account.id);
    };
    await expect(sessions.login("anna", password, device)).rejects.toMatchObject(loginFailed);
    expect(await store.listByAccount(account.id, 9)).toEqual([]);
  });

  test("names the fields that can match nobody's", async () => {
    const { sessions } = await opened();
    const violations = [{ field: "identity" }, { field: "password" }];
    await expect(sessions.login("", "", device)).rejects.toMatchObject({ code: "invalid_argument", violations });
  });

  test("keeps only so much of what the client calls itself", async () => {
    const { sessions, sessionOf, store } = await opened();
    const { tokens } = await sessions.login("anna", password, { ...device, userAgent: "x".repeat(10_000) });
    const sessionId = await sessionOf(tokens.accessToken);
    expect((await store.get(sessionId))?.userAgent).toBe("x".repeat(256));
  });
});

describe("refreshing", () => {
  test("gives new tokens of the same session, time after time", async () => {
    const { sessions, sessionOf, clock, tokens, sessionId, stored } = await opened();
    const seen = new Set([tokens.refreshToken]);
    let latest = tokens;
    for (let day = 1; day <= 5; day += 1) {
      clock.advance(24 * 3_600_000);
      latest = await refreshed(sessions, latest.refreshToken);
      expect(await sessionOf(latest.accessToken)).toBe(sessionId);
      expect(latest.refreshTokenExpiresAt).toBe(clock() + sessionIdleMs);
      expect((await stored())?.lastUsedAt).toBe(clock());
      expect(seen.has(latest.refreshToken)).toBe(false);
      seen.add(latest.refreshToken);
    }
  });

  test("gives a repeat within 30 s the same successor", async () => {
    const { sessions, clock, tokens } = await opened();
    const first = await refreshed(sessions, tokens.refreshToken);
    for (const wait of [0, 1, refreshGraceMs - 1]) {
      clock.advance(wait);
      expect(refreshTokenOf(await refreshed(sessions, tokens.refreshToken))).toBe(first.refreshToken);
    }
    expect(refreshTokenOf(await refreshed(sessions, first.refreshToken))).not.toBe(first.refreshToken);
  });

  test("counts the 30 s from the first use, not from a repeat", async () => {
    const { sessions, clock, tokens, stored } = await opened();
    await refreshed(sessions, tokens.refreshToken);
    clock.advance(refreshGraceMs - 1);
    await refreshed(sessions, tokens.refreshToken);
    clock.advance(2);
    await expect(refreshed(sessions, tokens.refreshToken)).rejects.toMatchObject(reused);
    expect(await stored()).toBeUndefined();
  });

  test("ends the session when a spent token comes after 30 s", async () => {
    const { sessions, clock, tokens, stored } = await opened();
    const next = await refreshed(sessions, tokens.refreshToken);
    clock.advance(refreshGraceMs + 1);
    await expect(refreshed(sessions, tokens.refreshToken)).rejects.toMatchObject(reused);
    expect(await stored()).toBeUndefined();
    await expect(refreshed(sessions, next.refreshToken)).rejects.toMatchObject(ended);
  });

  test("ends the session when a spent token comes after its successor was used, however soon", async () => {
    const { sessions, tokens, stored } = await opened();
    const second = await refreshed(sessions, tokens.refreshToken);
    const third = await refreshed(sessions, second.refreshToken);
    await expect(refreshed(sessions, tokens.refreshToken)).rejects.toMatchObject(reused);
    expect(await stored()).toBeUndefined();
    await expect(refreshed(sessions, third.refreshToken)).rejects.toMatchObject(ended);
  });

  test("ends one session and leaves the account's others", async () => {
    const { sessions, clock, tokens, stored } = await opened();
    const other = (await sessions.login("anna", password, device)).tokens;
    await refreshed(sessions, tokens.refreshToken);
    clock.advance(refreshGraceMs + 1);
    await expect(refreshed(sessions, tokens.refreshToken)).rejects.toMatchObject(reused);
    expect(await stored()).toBeUndefined();
    expect(refreshTokenOf(await refreshed(sessions, other.refreshToken))).toBeTruthy();
  });

  test("gives all who come at once with the same token the same successor", async () => {
    const { sessions, tokens, stored } = await opened();
    const all = await atOnce(20, () => refreshed(sessions, tokens.refreshToken));
    expect(new Set(all.map(refreshTokenOf)).size).toBe(1);
    expect((await stored())?.version).toBe(2);
    expect(refreshTokenOf(await refreshed(sessions, all[0]?.refreshToken ?? ""))).toBeTruthy();
  });

  test("can be repeated when the answer of the write was lost", async () => {
    let isFirst = true;
    const { sessions, tokens, stored } = await opened((store) => ({
      ...store,
      async replace(session) {
        const isWritten = await store.replace(session);
        if (!isFirst) return isWritten;
        isFirst = false;
        throw new Error("the connection was lost");
      },
    }));
    await expect(refreshed(sessions, tokens.refreshToken)).rejects.toThrow("the connection was lost");
    const repeated = await refreshed(sessions, tokens.refreshToken);
    expect((await stored())?.version).toBe(2);
    expect(refreshTokenOf(await refreshed(sessions, repeated.refreshToken))).toBeTruthy();
  });

  test("outlasts a store that takes longer than the 30 s", async () => {
    const late = { passes: () => {} };
    const { sessions, clock, tokens, stored } = await opened((store) => ({
      ...store,
      async replace(session) {
        late.passes();
        return store.replace(session);
      },
    }));
    late.passes = () => clock.advance(refreshGraceMs + 1);
    const next = await refreshed(sessions, tokens.refreshToken);
    expect(await stored()).toBeDefined();
    expect(refreshTokenOf(await refreshed(sessions, next.refreshToken))).toBeTruthy();
  });

  test("ends no session for a made-up token", async () => {
    const { sessions, tokens, sessionId, stored } = await opened();
    const bytes = Buffer.from(tokens.refreshToken, "base64url");
    const madeUp = Buffer.concat([bytes.subarray(0, 16), Buffer.alloc(48, 7)]).toString("base64url");
    const secondHand = Buffer.from(bytes);
    secondHand[20] = (secondHand[20] ?? 0) ^ 1;
    for (const token of [madeUp, secondHand.toString("base64url"), sessionId, "x", tokens.accessToken, " "]) {
      await expect(refreshed(sessions, token)).rejects.toMatchObject(ended);
    }
    await expect(refreshed(sessions, "")).rejects.toMatchObject({ violations: [{ field: "refresh_token" }] });
    expect(await stored()).toBeDefined();
    expect(refreshTokenOf(await refreshed(sessions, tokens.refreshToken))).toBeTruthy();
  });

  test("ends the session for a token that was never given out but is its line's", async () => {
    const { sessions, tokens, refreshTokens, stored } = await opened();
    const future = refreshTokens.successor(refreshTokens.successor(tokens.refreshToken).token).token;
    await expect(refreshed(sessions, future)).rejects.toMatchObject(reused);
    expect(await stored()).toBeUndefined();
  });

  test("is refused once the session was idle for too long", async () => {
    const { sessions, clock, tokens } = await opened();
    clock.advance(sessionIdleMs - 1);
    const next = await refreshed(sessions, tokens.refreshToken);
    clock.advance(sessionIdleMs);
    await expect(refreshed(sessions, next.refreshToken)).rejects.toMatchObject(ended);
  });

  test("is refused at the session's end, however often it was used", async () => {
    const { sessions, clock, tokens } = await opened();
    const end = clock() + sessionLifeMs;
    let latest = tokens;
    while (clock() + sessionIdleMs <= end) {
      clock.advance(sessionIdleMs - 1);
      latest = await refreshed(sessions, latest.refreshToken);
      expect(latest.refreshTokenExpiresAt).toBe(Math.min(end, clock() + sessionIdleMs));
    }
    clock.advance(end - clock() - 1);
    latest = await refreshed(sessions, latest.refreshToken);
    clock.advance(1);
    await expect(refreshed(sessions, latest.refreshToken)).rejects.toMatchObject(ended);
  });

  test("is refused for an account that is disabled or gone", async () => {
    const { sessions, db, tokens, account } = await opened();
    await db.write("UPDATE accounts SET doc = json_set(doc, '$.disabled', json('true')) WHERE id = ?", account.id);
    await expect(refreshed(sessions, tokens.refreshToken)).rejects.toMatchObject(ended);
    await db.write("DELETE FROM accounts WHERE id = ?", account.id);
    await expect(refreshed(sessions, tokens.refreshToken)).rejects.toMatchObject(ended);
  });
});

describe("logging out", () => {
  test("ends the session, and minds not when it has ended", async () => {
    const { sessions, sessionId, tokens, stored } = await opened();
    await sessions.logout(sessionId);
    await sessions.logout(sessionId);
    expect(await stored()).toBeUndefined();
    await expect(refreshed(sessions, tokens.refreshToken)).rejects.toMatchObject(ended);
  });
});
