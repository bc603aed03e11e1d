import { decodeProtectedHeader } from "jose";
import { expect, test } from "vitest";
import { bearer, type Darkroom } from "../../src/client/index.ts";
import { publishAheadMs } from "../../src/model/signing-key.ts";
import { runningClock } from "../contracts/movable-clock.ts";
import { refusal } from "../support/refusals.ts";
import { adminPassword, serve, signIn, unlimited } from "../support/server.ts";

/** Two servers on the same data, by the same clock, and callers of both. */
async function opened() {
  const clock = runningClock();
  const env = { DARKROOM_RATE_LIMITS: unlimited("SignUp", "Login", "RefreshToken") };
  const here = await serve(env, { worker: false, clock });
  const there = await serve(env, { worker: false, clock, dataDir: here.dataDir });
  const users = [await signIn(here), await signIn(there)];
  return { clock, here, there, both: [here, there], users };
}

type User = Awaited<ReturnType<typeof signIn>>;
type Login = Awaited<ReturnType<Darkroom["auth"]["login"]>>;

function held({ tokens }: Pick<Login, "tokens">) {
  const expiresAt = Number(tokens?.accessTokenExpireTime?.seconds ?? 0n) * 1000;
  return { token: tokens?.accessToken ?? "", refreshToken: tokens?.refreshToken ?? "", expiresAt };
}

const logIn = async ({ auth }: Darkroom, { username, password }: Pick<User, "username" | "password">) =>
  held(await auth.login({ identity: username, password }));
const refresh = async ({ auth }: Darkroom, refreshToken: string) => held(await auth.refreshToken({ refreshToken }));
const administrator = { username: "admin", password: adminPassword };

/** Why a token is refused; empty where it is good. */
const reasonOf = ({ auth }: Darkroom, token: string) =>
  auth.checkAuth({}, bearer(token)).then(
    () => "",
    async (error) => (await refusal(Promise.reject(error))).reason ?? "none",
  );

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise(setImmediate);
}

test("keys rotate on two servers under load, and no valid token is refused", async () => {
  const { clock, here, there, both, users } = await opened();
  const kids = new Set<string | undefined>();
  const refused: string[] = [];
  let [checks, logins, isRotating] = [0, 0, true];

  async function check(server: Darkroom, { token, expiresAt }: ReturnType<typeof held>): Promise<void> {
    const reason = await reasonOf(server, token);
    if (reason !== "" && clock() < expiresAt) refused.push(reason);
    checks += 1;
  }

  /** Takes tokens at one server by logging in or refreshing, and shows them at both. */
  async function call(user: User, first: number): Promise<void> {
    let mine = await logIn(here, user);
    for (let round = first; isRotating; round++) {
      mine = await renewed(round % 2 === 0 ? here : there, user, mine, round);
      kids.add(decodeProtectedHeader(mine.token).kid);
      for (const server of round % 2 === 0 ? [there, here] : both) await check(server, mine);
    }
  }

  async function renewed(server: Darkroom, user: User, mine: ReturnType<typeof held>, round: number) {
    if (round % 10 === 0) {
      logins += 1;
      return logIn(server, user);
    }
    const isWanted = round % 3 === 0 || clock() >= mine.expiresAt;
    return isWanted ? refresh(server, mine.refreshToken) : mine;
  }

  async function rotate(server: Darkroom): Promise<void> {
    await server.auth.rotateSigningKey({}, bearer((await logIn(server, administrator)).token));
    for (const wait of [publishAheadMs - 1000, 1000]) {
      const before = { checks, logins };
      await until(() => checks >= before.checks + 30 && logins > before.logins);
      clock.advance(wait);
    }
  }

  async function rotateOften(): Promise<void> {
    try {
      for (const server of [...both, ...both, ...both]) await rotate(server);
    } finally {
      isRotating = false;
    }
  }

  await Promise.all([rotateOften(), ...[...users, ...users].map(call)]);
  expect(refused).toEqual([]);
  // The last key of the seven may have signed nothing yet.
  expect(kids.size).toBeGreaterThanOrEqual(6);
});

test("after a leak every token of before is refused on both servers, and new ones are good, under load", async () => {
  const { here, there, both, users } = await opened();
  const wrong: string[] = [];
  let [foreseen, isRotating] = [0, true];
  /** How often keys were replaced, twice: it is odd while they are being replaced, and nothing is foreseen. */
  let era = 0;

  async function check(server: Darkroom, { token, born }: { token: string; born: number | undefined }): Promise<void> {
    const before = era;
    const isGood = (await reasonOf(server, token)) === "";
    if (before !== era || era % 2 === 1 || born === undefined) return;
    foreseen += 1;
    if (isGood !== (born === era)) wrong.push(`of ${born} in ${era}`);
  }

  /** A token and when it was signed, unless keys were replaced meanwhile. */
  async function take(server: Darkroom, user: User): Promise<{ token: string; born: number | undefined }> {
    const before = era;
    const { token } = await logIn(server, user);
    return { token, born: before === era && era % 2 === 0 ? era : undefined };
  }

  async function call(user: User, first: number): Promise<void> {
    let mine = await take(here, user);
    for (let round = first; isRotating; round++) {
      if (round % 7 === 0) mine = await take(round % 2 === 0 ? here : there, user);
      for (const server of both) await check(server, mine);
    }
  }

  async function replace(server: Darkroom): Promise<void> {
    const { token } = await logIn(server, administrator);
    era += 1;
    await server.auth.rotateSigningKey({ immediately: true }, bearer(token));
    expect(await reasonOf(server, token)).toBe("CREDENTIAL_INVALID");
    for (const each of both) await until(async () => (await reasonOf(each, token)) !== "");
    era += 1;
    const fresh = await logIn(there, administrator);
    for (const each of both) expect(await reasonOf(each, fresh.token)).toBe("");
  }

  async function replaceOften(): Promise<void> {
    try {
      for (const server of [...both, ...both]) {
        const before = foreseen;
        await until(async () => foreseen >= before + 3);
        await replace(server);
      }
    } finally {
      isRotating = false;
    }
  }

  await Promise.all([replaceOften(), ...users.map(call)]);
  expect(wrong).toEqual([]);
  for (const user of users) {
    // Sessions outlive the keys of their tokens.
    expect(await reasonOf(here, user.token)).toBe("CREDENTIAL_INVALID");
    const fresh = await refresh(there, user.refreshToken);
    for (const each of both) expect(await reasonOf(each, fresh.token)).toBe("");
  }
});
