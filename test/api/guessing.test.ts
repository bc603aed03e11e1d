import { randomBytes } from "node:crypto";
import { expect, test, vi } from "vitest";
import { refusal } from "../support/refusals.ts";
import { serve, signIn, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { auth } = server;
const { credential: admin } = await signInAdmin({ auth });

const wrong = (identity: string) => refusal(auth.login({ identity, password: "not the password" }));
const failed = { code: "Unauthenticated", reason: "LOGIN_FAILED" };
const slowed = { code: "ResourceExhausted", reason: "TOO_MANY_ATTEMPTS" };

/** Until the wait is so long that nothing done here outlasts it: of the first ones a slow machine sees nothing. */
async function untilSlowed(attempt: () => ReturnType<typeof refusal>): Promise<void> {
  const mustWait = async () => {
    const { reason, metadata } = await attempt();
    return reason === slowed.reason && Number(metadata.get("retry-after")) >= 4;
  };
  await vi.waitUntil(mustWait, { interval: 200, timeout: 60_000 });
}

test("after five failed logins the next must wait, by any name of the account and with the right password too", async () => {
  const user = await signIn(server);
  let tries = 0;
  const attempt = () => wrong(++tries % 2 === 0 ? user.username : user.username.toUpperCase());
  for (let free = 1; free <= 5; free++) expect(await attempt()).toMatchObject(failed);
  await untilSlowed(attempt);
  const refused = await refusal(auth.login({ identity: user.username, password: user.password }));
  expect(refused).toMatchObject(slowed);
  expect(Number(refused.metadata.get("retry-after"))).toBeGreaterThan(0);
  await auth.checkAuth({}, user.credential);
});

test("a name that nobody has is answered alike", async () => {
  const name = `nobody-${randomBytes(4).toString("hex")}`;
  for (let tries = 1; tries <= 5; tries++) expect(await wrong(name)).toMatchObject(failed);
  await untilSlowed(() => wrong(name));
  expect(await wrong(name.toUpperCase())).toMatchObject(slowed);
});

test("a disabled account is answered alike, the right password too", async () => {
  const { account, username, password } = await signIn(server);
  await auth.setUserDisabled({ userId: account?.id ?? "", disabled: true }, admin);
  const attempt = () => refusal(auth.login({ identity: username, password }));
  for (let free = 1; free <= 5; free++) expect(await attempt()).toMatchObject(failed);
  await untilSlowed(attempt);
});

test("wrong old passwords count too, whoever is signed in", async () => {
  const user = await signIn(server);
  const change = (oldPassword: string) =>
    refusal(auth.changePassword({ oldPassword, newPassword: "another good one" }, user.credential));
  expect(await change("not the old one")).toMatchObject({ reason: "PASSWORD_WRONG" });
  await untilSlowed(() => change("not the old one"));
  expect(await change(user.password)).toMatchObject(slowed);
});

test("of many tries at once only some are made", async () => {
  const user = await signIn(server);
  const answers = await Promise.all(Array.from({ length: 40 }, () => wrong(user.username)));
  expect(answers.filter(({ reason }) => reason === "LOGIN_FAILED").length).toBeLessThanOrEqual(5);
  expect(answers.every(({ reason }) => reason === "LOGIN_FAILED" || reason === "TOO_MANY_ATTEMPTS")).toBe(true);
});

test("of many right ones at once all are made", async () => {
  const user = await signIn(server);
  const logins = Array.from({ length: 16 }, () => auth.login({ identity: user.username, password: user.password }));
  for (const { tokens } of await Promise.all(logins)) expect(tokens?.accessToken).toMatch(/^ey/);
});

test("a login that succeeds begins anew, and an administrator can lift the wait", async () => {
  const user = await signIn(server);
  for (let round = 0; round < 2; round++) {
    for (let tries = 1; tries <= 4; tries++) await wrong(user.username);
    await auth.login({ identity: user.username, password: user.password });
  }
  await untilSlowed(() => wrong(user.username));
  await auth.unlockUser({ userId: user.account?.id ?? "" }, admin);
  await auth.login({ identity: user.username, password: user.password });
  expect(await refusal(auth.unlockUser({ userId: "nobody" }, admin))).toMatchObject({ reason: "USER_NOT_FOUND" });
});

test("two servers count together", async () => {
  const here = await serve({}, { worker: false });
  const there = await serve({}, { worker: false, dataDir: here.dataDir });
  const user = await signIn(here);
  const attempt = (at: typeof here) =>
    refusal(at.auth.login({ identity: user.username, password: "not the password" }));
  for (const at of [here, there, here, there, here]) expect(await attempt(at)).toMatchObject(failed);
  let tries = 0;
  await untilSlowed(() => attempt(++tries % 2 === 0 ? here : there));
  for (const at of [there, here]) expect(await attempt(at)).toMatchObject(slowed);
});
