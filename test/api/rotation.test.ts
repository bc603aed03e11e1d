import { expect, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { adminPassword, serve, signIn } from "../support/server.ts";

test("keys rotate on two servers under load, and no valid token is refused", async () => {
  const here = await serve({}, { worker: false });
  const there = await serve({}, { worker: false, dataDir: here.dataDir });
  const { tokens } = await here.auth.login({ identity: "admin", password: adminPassword });
  const admin = bearer(tokens?.accessToken ?? "");
  const users = [await signIn(here), await signIn(there)];
  let isRotating = true;
  let checks = 0;

  /** Checks its token at both servers, and takes a new one now and then, from either. */
  async function call(user: (typeof users)[number], turn: number): Promise<void> {
    let { refreshToken, credential } = user;
    for (let round = turn; isRotating; round++) {
      const [one, other] = round % 2 === 0 ? [here, there] : [there, here];
      if (round % 5 === 0) {
        const fresh = (await one.auth.refreshToken({ refreshToken })).tokens;
        refreshToken = fresh?.refreshToken ?? "";
        credential = bearer(fresh?.accessToken ?? "");
      }
      await other.auth.checkAuth({}, credential);
      await one.auth.checkAuth({}, credential);
      checks += 2;
    }
  }

  async function rotate(): Promise<void> {
    try {
      for (let turn = 0; turn < 6; turn++) {
        await (turn % 2 === 0 ? here : there).auth.rotateSigningKey({}, admin);
        const before = checks;
        while (checks < before + 40) await new Promise(setImmediate);
      }
    } finally {
      isRotating = false;
    }
  }

  await Promise.all([rotate(), ...users.map(call)]);
  expect(checks).toBeGreaterThan(200);
});

test("after a leak every token of before is refused on both servers, and new ones are good on both", async () => {
  const here = await serve({}, { worker: false });
  const there = await serve({}, { worker: false, dataDir: here.dataDir });
  const { tokens } = await here.auth.login({ identity: "admin", password: adminPassword });
  const user = await signIn(there);
  await here.auth.checkAuth({}, user.credential);
  await here.auth.rotateSigningKey({ immediately: true }, bearer(tokens?.accessToken ?? ""));
  const end = Date.now() + 10_000;
  const refusedAt = async ({ auth }: typeof here) => {
    while (Date.now() < end) {
      const isGood = await auth.checkAuth({}, user.credential).then(
        () => true,
        () => false,
      );
      if (!isGood) return true;
    }
    return false;
  };
  expect([await refusedAt(here), await refusedAt(there)]).toEqual([true, true]);
  const fresh = await there.auth.refreshToken({ refreshToken: user.refreshToken });
  for (const { auth } of [here, there]) await auth.checkAuth({}, bearer(fresh.tokens?.accessToken ?? ""));
});
