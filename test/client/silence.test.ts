import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createDarkroom, type DarkroomClient, isTransient } from "../../src/client/index.ts";
import { createDarkroom as createWebDarkroom } from "../../src/client/web.ts";
import { redPicture } from "../support/red.ts";
import { shareServerProcess } from "../support/shared-process.ts";

const server = await shareServerProcess();
const red = await redPicture();
const account = { username: "ada", password: "a long enough one" };
await server.auth.signUp(account);

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => {
  vi.useRealTimers();
  server.signal("SIGCONT");
});

/** What a call rejects with, however long it waits by its own clock. */
async function failure(call: Promise<unknown>): Promise<unknown> {
  let error: unknown;
  call.catch((reason: unknown) => {
    error = reason;
  });
  while (error === undefined) await vi.advanceTimersByTimeAsync(1000);
  return error;
}

test.each([
  ["gRPC", createDarkroom],
  ["Connect", (url: string) => createDarkroom(url, { protocol: "connect" })],
  ["Connect by fetch", createWebDarkroom],
  ["gRPC-Web by fetch", (url: string) => createWebDarkroom(url, { protocol: "grpc-web" })],
])("a server that falls silent is given up, over %s", async (_kind, create: (url: string) => DarkroomClient) => {
  const darkroom = create(server.url);
  await darkroom.signIn(account.username, account.password);
  const { image } = await darkroom.jobs.uploadImage({ data: red });
  server.signal("SIGSTOP");
  expect(isTransient(await failure(darkroom.develop(red, "sepia")))).toBe(true);
  expect(isTransient(await failure(darkroom.picture(image?.id ?? "")))).toBe(true);
  expect(isTransient(await failure(darkroom.signUp({ username: "grace", password: account.password })))).toBe(true);
  expect(isTransient(await failure(darkroom.signIn(account.username, account.password)))).toBe(true);
  expect(isTransient(await failure(darkroom.signOut()))).toBe(true);
  expect(await darkroom.accessToken()).toBeUndefined();
});

test("the connection to a server that falls silent ends any call, over gRPC", async () => {
  const darkroom = createDarkroom(server.url);
  await darkroom.signIn(account.username, account.password);
  server.signal("SIGSTOP");
  expect(isTransient(await failure(darkroom.jobs.listModels({})))).toBe(true);
});
