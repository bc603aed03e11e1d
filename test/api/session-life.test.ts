import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { CallOptions } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import { bearer, type Darkroom } from "../../src/client/index.ts";
import { runningClock } from "../contracts/movable-clock.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn, signInAdmin } from "../support/server.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const spent = { code: "Unauthenticated", reason: "REFRESH_TOKEN_INVALID" };

async function opened() {
  const clock = runningClock();
  const server = await serve({}, { worker: false, clock });
  const { auth } = server;
  const { username, password } = await signIn(server);
  const login = await auth.login({ identity: username, password, sessionToken: true });
  const refresh = async (refreshToken: string) => (await auth.refreshToken({ refreshToken })).tokens;
  const isValid = async (credential: string) => (await auth.validate({ credential })).valid;
  return { ...server, clock, username, password, login, refresh, isValid };
}

/** Milliseconds from now, by that clock; calls take a moment. */
const left = (time: { seconds: bigint } | undefined, clock: () => number) => Number(time?.seconds) * 1000 - clock();

test("an idle session ends after a week, with all that is bound to it", async () => {
  const { auth, clock, login, username, password, refresh, isValid } = await opened();
  clock.advance(7 * day - minute);
  const next = await refresh(login.tokens?.refreshToken ?? "");
  clock.advance(7 * day);
  expect(await refusal(refresh(next?.refreshToken ?? ""))).toMatchObject(spent);
  for (const credential of [login.sessionToken, login.tokens?.accessToken, next?.accessToken])
    expect(await isValid(credential ?? "")).toBe(false);
  expect(await refusal(auth.checkAuth({}, bearer(next?.accessToken ?? "")))).toMatchObject({
    code: "Unauthenticated",
  });
  const { tokens } = await auth.login({ identity: username, password });
  expect((await auth.listSessions({}, bearer(tokens?.accessToken ?? ""))).sessions).toHaveLength(1);
});

test("a session ends after 30 days, however often it was used, and no token of it lives longer", async () => {
  const { clock, login, refresh } = await opened();
  let tokens = login.tokens;
  for (let days = 6; days < 30; days += 6) {
    clock.advance(6 * day);
    tokens = await refresh(tokens?.refreshToken ?? "");
  }
  clock.advance(6 * day - 5 * minute);
  tokens = await refresh(tokens?.refreshToken ?? "");
  for (const end of [tokens?.accessTokenExpireTime, tokens?.refreshTokenExpireTime]) {
    expect(left(end, clock)).toBeGreaterThan(4 * minute);
    expect(left(end, clock)).toBeLessThanOrEqual(5 * minute);
  }
  clock.advance(5 * minute);
  expect(await refusal(refresh(tokens?.refreshToken ?? ""))).toMatchObject(spent);
});

test("an access token ends after 15 minutes, and its session goes on", async () => {
  const { auth, clock, login, refresh } = await opened();
  const token = login.tokens?.accessToken ?? "";
  clock.advance(14 * minute);
  await auth.checkAuth({}, bearer(token));
  clock.advance(minute);
  expect(await refusal(auth.checkAuth({}, bearer(token)))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
  const next = await refresh(login.tokens?.refreshToken ?? "");
  await auth.checkAuth({}, bearer(next?.accessToken ?? ""));
});

test("a session token ends after a day without use, and after a week with it", async () => {
  const { auth, clock, login, isValid, refresh, ...server } = await opened();
  const idle = await signIn({ auth, ...server });
  const unused = await auth.login({ identity: idle.username, password: idle.password, sessionToken: true });
  let other = unused.tokens?.refreshToken ?? "";
  let own = login.tokens?.refreshToken ?? "";
  for (let hours = 23; hours < 7 * 24; hours += 23) {
    clock.advance(23 * hour);
    expect([hours, await isValid(login.sessionToken)]).toEqual([hours, true]);
    // Its use is noted in the background; this write comes after that one.
    other = (await refresh(other))?.refreshToken ?? "";
    // The session itself goes on.
    if (hours === 4 * 23) own = (await refresh(own))?.refreshToken ?? "";
  }
  clock.advance(7 * hour);
  expect(await isValid(login.sessionToken)).toBe(false);
  await refresh(own);

  const fresh = await auth.login({ identity: idle.username, password: idle.password, sessionToken: true });
  clock.advance(day - minute);
  expect(await isValid(fresh.sessionToken)).toBe(true);
  await refresh(other);
  clock.advance(day);
  expect(await isValid(fresh.sessionToken)).toBe(false);
  await refresh(fresh.tokens?.refreshToken ?? "");
});

const newPassword = "another longer secret";

interface Ending {
  readonly end: (server: Darkroom, user: Awaited<ReturnType<typeof signIn>>, admin: CallOptions) => Promise<unknown>;
  readonly isKept: boolean;
  readonly passwordAfter?: string;
}

/** What ends an account's sessions, and whether the one that did it goes on. */
const endings: Readonly<Record<string, Ending>> = {
  "a new password": {
    end: ({ auth }, { password, credential }) =>
      auth.changePassword({ oldPassword: password, newPassword }, credential),
    isKept: true,
    passwordAfter: newPassword,
  },
  "a reset": {
    async end({ auth }, { account }, admin) {
      const { token } = await auth.issueUserToken({ userId: account?.id ?? "" }, admin);
      await auth.resetPassword({ token, newPassword });
    },
    isKept: false,
    passwordAfter: newPassword,
  },
  disabling: {
    async end({ auth }, { account }, admin) {
      const userId = account?.id ?? "";
      await auth.setUserDisabled({ userId, disabled: true }, admin);
      await auth.setUserDisabled({ userId, disabled: false }, admin);
    },
    isKept: false,
  },
};

test.each(Object.entries(endings))(
  "%s ends sessions by its own write: who dies before deleting them has done enough",
  async (_what, { end, isKept, passwordAfter }) => {
    const server = await serve({}, { worker: false });
    const { auth } = server;
    const admin = await signInAdmin({ auth });
    const user = await signIn(server);
    const { username: identity, password } = user;
    const other = await auth.login({ identity, password, sessionToken: true });
    const db = new DatabaseSync(join(server.dataDir, "darkroom.db"));
    onTestFinished(() => db.close());
    db.exec("CREATE TEMP TABLE kept AS SELECT * FROM sessions");
    await end(server, user, admin.credential);
    const left = db.prepare("SELECT count(*) AS count FROM sessions WHERE account_id = ?");
    expect(left.get(user.account?.id ?? "")).toEqual({ count: isKept ? 1 : 0 });
    db.exec("INSERT OR IGNORE INTO sessions SELECT * FROM kept");

    const isValid = async (credential = "") => (await auth.validate({ credential })).valid;
    expect(await isValid(user.token)).toBe(isKept);
    for (const credential of [other.tokens?.accessToken, other.sessionToken])
      expect(await isValid(credential)).toBe(false);
    expect(await refusal(auth.refreshToken({ refreshToken: other.tokens?.refreshToken ?? "" }))).toMatchObject(spent);
    const fresh = await auth.login({ identity, password: passwordAfter ?? password });
    const { sessions } = await auth.listSessions({}, bearer(fresh.tokens?.accessToken ?? ""));
    expect(sessions).toHaveLength(isKept ? 2 : 1);
  },
);
