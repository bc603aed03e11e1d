import { expect, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { auth } = server;
const user = await signIn(server);
const login = await auth.login({ identity: user.username, password: user.password });
const again = bearer(login.tokens?.accessToken ?? "");

const whoIs = async (credential: typeof again) => (await auth.checkAuth({}, credential)).principal;

test("two sessions of one account are told apart, in turn", async () => {
  const [first, second] = [await whoIs(user.credential), await whoIs(again)];
  expect(first?.account).toEqual(second?.account);
  expect(first?.sessionId).not.toBe(second?.sessionId);
  for (let turn = 0; turn < 3; turn++) {
    expect(await whoIs(user.credential)).toEqual(first);
    expect(await whoIs(again)).toEqual(second);
  }
});

test("what was just changed is what is answered", async () => {
  const credential = login.tokens?.accessToken ?? "";
  for (const username of ["ada-l", "ada-k"]) {
    await auth.updateProfile({ username }, again);
    expect((await whoIs(again))?.account?.username).toBe(username);
    expect((await auth.validate({ credential })).principal?.account?.username).toBe(username);
  }
});
