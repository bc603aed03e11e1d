import { describe, expect, test, vi } from "vitest";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { openCalls } from "../../src/client/credential.ts";
import {
  Code,
  createDarkroom,
  type DarkroomClient,
  type DarkroomOptions,
  type Tokens,
  tokensIn,
  tokensInMemory,
} from "../../src/client/index.ts";
import { createDarkroom as createWebDarkroom } from "../../src/client/web.ts";
import { isOpen } from "../../src/model/access.ts";
import { serve, signIn, type TestServer } from "../support/server.ts";

const minute = 60_000;

/** Tokens in memory, with everything that was ever kept. */
function recordingStore(tokens?: Tokens) {
  const store = tokensInMemory(tokens);
  const kept: (Tokens | undefined)[] = [];
  return {
    kept,
    get: store.get,
    set(next: Tokens | undefined) {
      kept.push(next);
      return store.set(next);
    },
  };
}

type Create = (url: string, options: DarkroomOptions) => DarkroomClient;

/** A client that is signed in, with a clock that can be put forward. */
async function signedIn(server: TestServer, create: Create = createDarkroom) {
  const { username, password } = await signIn(server);
  const store = recordingStore();
  const time = { ahead: 0 };
  const clock = () => Date.now() + time.ahead;
  const darkroom = create(server.url, { tokens: store, clock });
  await darkroom.signIn(username, password);
  const advance = (ms: number) => {
    time.ahead += ms;
  };
  return { darkroom, store, username, clock, advance };
}

test("no credential goes with a call that anybody may make", () => {
  const open = AuthService.methods.filter(({ name }) => isOpen(`${AuthService.typeName}/${name}`));
  expect(new Set(openCalls)).toEqual(new Set(open));
});

describe("a session", () => {
  test("is renewed shortly before its token expires, once for all calls at that time", async () => {
    const fetched = vi.spyOn(globalThis, "fetch");
    const server = await serve({}, { worker: false });
    const { darkroom, store, advance } = await signedIn(server, createWebDarkroom);
    advance(13.5 * minute);
    await darkroom.auth.checkAuth({});
    expect(store.kept).toHaveLength(1);
    advance(minute);
    await Promise.all(Array.from({ length: 20 }, () => darkroom.auth.checkAuth({})));
    expect(store.kept).toHaveLength(2);
    expect(store.kept[1]?.refreshToken).not.toBe(store.kept[0]?.refreshToken);
    expect(fetched.mock.calls.filter(([url]) => String(url).endsWith("/RefreshToken"))).toHaveLength(1);
    fetched.mockRestore();
  });

  test("is not renewed for a password or a key that is wrong, nor is the call made again", async () => {
    const { darkroom, store } = await signedIn(await serve({}, { worker: false }), createWebDarkroom);
    const { auth } = darkroom;
    const calls = {
      ChangePassword: () => auth.changePassword({ oldPassword: "not it", newPassword: "another good one" }),
      DeleteProfile: () => auth.deleteProfile({ password: "not it" }),
      ExchangeApiKey: () => auth.exchangeApiKey({ apiKey: `dk_${"a".repeat(16)}_${"A".repeat(43)}` }),
    };
    for (const [name, call] of Object.entries(calls)) {
      const fetched = vi.spyOn(globalThis, "fetch");
      await expect(call()).rejects.toMatchObject({ code: Code.Unauthenticated });
      expect(fetched.mock.calls.map(([url]) => String(url).split("/").at(-1))).toEqual([name]);
      fetched.mockRestore();
    }
    expect(store.kept).toHaveLength(1);
  });

  test("of a clock that runs ahead is renewed once a minute, not at every call", async () => {
    const { darkroom, store, advance } = await signedIn(await serve({}, { worker: false }));
    advance(60 * minute);
    for (let call = 0; call < 3; call++) await darkroom.auth.checkAuth({});
    expect(store.kept).toHaveLength(2);
    advance(minute);
    await darkroom.auth.checkAuth({});
    expect(store.kept).toHaveLength(3);
  });

  test("is shared by clients that share a store", async () => {
    const server = await serve({}, { worker: false });
    const { darkroom, store, clock, advance } = await signedIn(server);
    const other = createDarkroom(server.url, { tokens: store, clock });
    advance(14.5 * minute);
    await Promise.all([darkroom, other].map(({ auth }) => auth.checkAuth({})));
    const renewed = store.kept.length;
    await Promise.all([darkroom, other].map(({ auth }) => auth.checkAuth({})));
    expect(store.kept).toHaveLength(renewed);
    expect(new Set(store.kept.slice(1).map((tokens) => tokens?.refreshToken)).size).toBe(1);
  });

  test("that was left while it was renewed stays left", async () => {
    const { darkroom, store, advance } = await signedIn(await serve({}, { worker: false }));
    advance(14.5 * minute);
    const renewed = darkroom.accessToken();
    await Promise.resolve();
    store.set(undefined);
    expect(await renewed).toBeUndefined();
    expect(store.get()).toBeUndefined();
  });

  test("goes on with its token while the server is too far away to renew it", async () => {
    const server = await serve({}, { worker: false });
    const { darkroom, store, advance } = await signedIn(server, createWebDarkroom);
    await server.app.stop();
    advance(14.5 * minute);
    const fetched = vi.spyOn(globalThis, "fetch");
    expect(await darkroom.accessToken()).toBe(store.kept[0]?.accessToken);
    // More would go on for longer than the server repeats a lost answer.
    expect(fetched).toHaveBeenCalledTimes(3);
    fetched.mockRestore();
  });

  test("ends with signing out, on the server too", async () => {
    const server = await serve({}, { worker: false });
    const { darkroom, store } = await signedIn(server);
    const token = (await darkroom.accessToken()) ?? "";
    await darkroom.signOut();
    expect(store.kept.at(-1)).toBeUndefined();
    expect((await server.auth.validate({ credential: token })).valid).toBe(false);
    await expect(darkroom.auth.checkAuth({})).rejects.toMatchObject({ code: Code.Unauthenticated });
    await darkroom.signOut();
  });

  test("is forgotten by signing out even if the server cannot be told", async () => {
    const server = await serve({}, { worker: false });
    const { darkroom, store } = await signedIn(server);
    await server.app.stop();
    await expect(darkroom.signOut()).rejects.toThrow();
    expect(store.get()).toBeUndefined();
    await darkroom.signOut();
  });

  test("that begins while another is being left goes on", async () => {
    const server = await serve({}, { worker: false });
    const { darkroom } = await signedIn(server, createWebDarkroom);
    const left = (await darkroom.accessToken()) ?? "";
    const { username, password } = await signIn(server);
    const { fetch } = globalThis;
    const signedOut = Promise.withResolvers<void>();
    const fetched = vi.spyOn(globalThis, "fetch").mockImplementation(async (url, init) => {
      if (String(url).endsWith("/Logout")) await signedOut.promise;
      return fetch(url, init);
    });
    const signingOut = darkroom.signOut();
    await darkroom.signIn(username, password);
    signedOut.resolve();
    await signingOut;
    fetched.mockRestore();
    expect((await darkroom.auth.checkAuth({})).principal?.account?.username).toBe(username);
    expect((await server.auth.validate({ credential: left })).valid).toBe(false);
  });

  test("is kept in a browser's storage, and gone from it with signing out", async () => {
    const items = new Map<string, string>();
    const storage = {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
      removeItem: (key: string) => void items.delete(key),
    };
    const server = await serve({}, { worker: false });
    const { username, password } = await signIn(server);
    const open = () => createDarkroom(server.url, { tokens: tokensIn(storage) });
    await open().signIn(username, password);
    expect((await open().auth.checkAuth({})).principal?.account?.username).toBe(username);
    await open().signOut();
    expect([items.size, await open().accessToken()]).toEqual([0, undefined]);
  });

  test("begins with signing up, by name or by address", async () => {
    const { url } = await serve({}, { worker: false });
    const password = "a long enough one";
    const named = createDarkroom(url);
    expect((await named.signUp({ username: "ada", password }))?.username).toBe("ada");
    expect((await named.auth.checkAuth({})).principal?.account?.username).toBe("ada");
    const addressed = createDarkroom(url);
    await addressed.signUp({ email: "grace@example.org", password });
    expect((await addressed.auth.checkAuth({})).principal?.account?.email).toBe("grace@example.org");
  });

  test("is not needed with a credential of one's own", async () => {
    const server = await serve({}, { worker: false });
    const { token, username } = await signIn(server);
    const { auth } = createDarkroom(server.url, { credential: token });
    expect((await auth.checkAuth({})).principal?.account?.username).toBe(username);
    const refused = createDarkroom(server.url, { credential: "nonsense" });
    await expect(refused.auth.checkAuth({})).rejects.toMatchObject({ code: Code.Unauthenticated });
  });
});

const kinds: readonly [string, Create][] = [
  ["gRPC", (url, options) => createDarkroom(url, options)],
  ["Connect", (url, options) => createDarkroom(url, { protocol: "connect", ...options })],
  ["Connect by fetch", (url, options) => createWebDarkroom(url, options)],
  ["gRPC-Web by fetch", (url, options) => createWebDarkroom(url, { protocol: "grpc-web", ...options })],
];

describe.each(kinds)("over %s", (_kind, create) => {
  test("a token that is refused is replaced, and the call made again: unary and streamed", async () => {
    const server = await serve({}, { worker: false });
    const { darkroom, store, username } = await signedIn(server, create);
    const spoil = () => store.set({ ...(store.get() as Tokens), accessToken: "refused" });
    spoil();
    expect((await darkroom.auth.checkAuth({})).principal?.account?.username).toBe(username);
    spoil();
    await expect(darkroom.picture("none")).rejects.toMatchObject({ code: Code.NotFound });
    spoil();
    await Promise.all(Array.from({ length: 10 }, () => darkroom.jobs.listImageJobs({})));
    // Signed in; then three times spoiled and renewed.
    expect(store.kept).toHaveLength(7);
  });

  test("a session that the server ended is over", async () => {
    const server = await serve({}, { worker: false });
    const { darkroom, store } = await signedIn(server, create);
    await server.auth.logout({}, { headers: { authorization: `Bearer ${await darkroom.accessToken()}` } });
    await expect(darkroom.auth.checkAuth({})).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(store.get()).toBeUndefined();
  });
});
