import { expect, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { runningClock } from "../contracts/movable-clock.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn } from "../support/server.ts";

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
  return { ...server, clock, login, refresh, isValid };
}

/** Milliseconds from now, by that clock; calls take a moment. */
const left = (time: { seconds: bigint } | undefined, clock: () => number) => Number(time?.seconds) * 1000 - clock();

test("an idle session ends after a week, with all that is bound to it", async () => {
  const { auth, clock, login, refresh, isValid } = await opened();
  clock.advance(7 * day - minute);
  const next = await refresh(login.tokens?.refreshToken ?? "");
  clock.advance(7 * day);
  expect(await refusal(refresh(next?.refreshToken ?? ""))).toMatchObject(spent);
  for (const credential of [login.sessionToken, login.tokens?.accessToken, next?.accessToken])
    expect(await isValid(credential ?? "")).toBe(false);
  expect(await refusal(auth.checkAuth({}, bearer(next?.accessToken ?? "")))).toMatchObject({
    code: "Unauthenticated",
  });
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
  for (let hours = 23; hours < 7 * 24; hours += 23) {
    clock.advance(23 * hour);
    expect([hours, await isValid(login.sessionToken)]).toEqual([hours, true]);
    // Its use is noted in the background; this write comes after that one.
    other = (await refresh(other))?.refreshToken ?? "";
  }
  clock.advance(7 * hour);
  expect(await isValid(login.sessionToken)).toBe(false);

  const fresh = await auth.login({ identity: idle.username, password: idle.password, sessionToken: true });
  clock.advance(day - minute);
  expect(await isValid(fresh.sessionToken)).toBe(true);
  await refresh(other);
  clock.advance(day);
  expect(await isValid(fresh.sessionToken)).toBe(false);
  await refresh(fresh.tokens?.refreshToken ?? "");
});
