import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { bearer, type Darkroom } from "../../src/client/index.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn } from "../support/server.ts";

const reused = { code: "Unauthenticated", reason: "REFRESH_TOKEN_REUSED" };
const spent = { code: "Unauthenticated", reason: "REFRESH_TOKEN_INVALID" };

async function opened() {
  const here = await serve({}, { worker: false });
  const there = await serve({}, { worker: false, dataDir: here.dataDir });
  return { here, there, both: [here, there], user: await signIn(here) };
}

async function refresh({ auth }: Darkroom, refreshToken: string) {
  const { tokens } = await auth.refreshToken({ refreshToken });
  return { token: tokens?.accessToken ?? "", refreshToken: tokens?.refreshToken ?? "" };
}

const isRefused = ({ auth }: Darkroom, token: string) =>
  auth.checkAuth({}, bearer(token)).then(
    () => false,
    () => true,
  );

test("who comes at once to two servers with one token gets the same successor, time after time", async () => {
  const { both, user } = await opened();
  let { refreshToken } = user;
  for (let round = 0; round < 5; round++) {
    const calls = Array.from({ length: 10 }, (_, index) => refresh(both[index % 2] as Darkroom, refreshToken));
    const successors = new Set((await Promise.all(calls)).map((each) => each.refreshToken));
    expect([round, successors.size]).toEqual([round, 1]);
    [refreshToken = ""] = successors;
  }
});

test("a token that was stolen and comes late ends the session on both servers, the owner's too", async () => {
  const { here, there, both, user } = await opened();
  const second = await refresh(here, user.refreshToken);
  const third = await refresh(there, second.refreshToken);
  for (const server of both) expect(await isRefused(server, third.token)).toBe(false);
  expect(await refusal(refresh(there, user.refreshToken))).toMatchObject(reused);
  for (const server of both) {
    expect(await refusal(refresh(server, third.refreshToken))).toMatchObject(spent);
    await vi.waitUntil(() => isRefused(server, third.token), { timeout: 10_000 });
  }
});

test("a thief who comes first is shut out when the owner comes", async () => {
  const { here, there, both, user } = await opened();
  let stolen = await refresh(there, user.refreshToken);
  stolen = await refresh(there, stolen.refreshToken);
  expect(await refusal(refresh(here, user.refreshToken))).toMatchObject(reused);
  for (const server of both) {
    expect(await refusal(refresh(server, stolen.refreshToken))).toMatchObject(spent);
    await vi.waitUntil(() => isRefused(server, stolen.token), { timeout: 10_000 });
  }
  // The owner's other sessions are untouched.
  const again = await here.auth.login({ identity: user.username, password: user.password });
  expect(await isRefused(there, again.tokens?.accessToken ?? "")).toBe(false);
});

test("of many late uses at once of one old token none is answered, and the session ends once", async () => {
  const { here, both, user } = await opened();
  const second = await refresh(here, user.refreshToken);
  const third = await refresh(here, second.refreshToken);
  const calls = Array.from({ length: 12 }, (_, index) =>
    refusal(refresh(both[index % 2] as Darkroom, index % 3 === 0 ? user.refreshToken : "nonsense")),
  );
  for (const refused of await Promise.all(calls))
    expect(refused).toMatchObject({ reason: expect.stringMatching(/^REFRESH_TOKEN_(REUSED|INVALID)$/) });
  expect(await refusal(refresh(here, third.refreshToken))).toMatchObject(spent);
});

test("who lost the answer with the connection asks again, at another server, and goes on", async () => {
  const { here, there, user } = await opened();
  const db = new DatabaseSync(join(here.dataDir, "darkroom.db"), { readOnly: true });
  onTestFinished(() => db.close());
  const row = db.prepare("SELECT version FROM sessions");
  const body = JSON.stringify({ refreshToken: user.refreshToken });
  const { hostname, port } = new URL(here.url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  // What is not read cannot be answered.
  socket.pause();
  socket.write(
    `POST /darkroom.auth.v1.AuthService/RefreshToken HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await vi.waitUntil(() => row.get()?.version === 2, { timeout: 10_000 });
  socket.destroy();
  const again = await refresh(there, user.refreshToken);
  expect(row.get()?.version).toBe(2);
  const next = await refresh(here, again.refreshToken);
  expect(await isRefused(there, next.token)).toBe(false);
});
