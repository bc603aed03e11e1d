import { AuthClient, type AuthError, isAuthApiError, isAuthWeakPasswordError } from "@supabase/auth-js";
import { createClient } from "@supabase/supabase-js";
import { decodeJwt } from "jose";
import { describe, expect, test, vi } from "vitest";
import { serveMail, tokenIn } from "../support/mail-server.ts";
import { serve, unlimited } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({ DARKROOM_RATE_LIMITS: unlimited("SignUp", "Login") }, { worker: false });
const password = "a longer secret";
/** A key that front ends are built with; it is nobody's here. */
const anonKey = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl";
let count = 0;

function newAddress(): string {
  count += 1;
  return `person${count}@example.com`;
}

/** A browser's storage. */
function memory() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
}

/** A front end by auth-js alone, with the events that it was told of. */
function opened({ url = server.url, storage = memory(), autoRefreshToken = false } = {}) {
  const auth = new AuthClient({ url: `${url}/auth/v1`, storage, persistSession: true, autoRefreshToken });
  const events: string[] = [];
  auth.onAuthStateChange((event) => void events.push(event));
  return { auth, events, storage };
}

/** A front end by supabase-js, which sends its key along as a token. */
function openedWhole() {
  const options = { auth: { storage: memory(), autoRefreshToken: false } };
  return createClient(server.url, anonKey, options).auth;
}

async function signedUp(front = opened()) {
  const email = newAddress();
  const { data, error } = await front.auth.signUp({ email, password, options: { data: { name: "Ada" } } });
  if (error !== null || data.user === null) throw new Error("no account", { cause: error });
  return { ...front, email, user: data.user };
}

function refusalOf({ error }: { readonly error: AuthError | null }) {
  if (error === null || !isAuthApiError(error)) throw new Error("the call was not refused", { cause: error });
  return { status: error.status, code: error.code, message: error.message };
}

describe.each([
  ["auth-js", () => opened().auth],
  ["supabase-js", openedWhole],
])("%s", (_name, open) => {
  test("signs up, in and out", async () => {
    const auth = open();
    const email = newAddress();
    const made = await auth.signUp({ email, password, options: { data: { name: "Ada" } } });
    expect(made.error).toBeNull();
    expect(made.data.user).toMatchObject({ email, role: "authenticated", user_metadata: { name: "Ada" } });
    expect(made.data.session).toMatchObject({ token_type: "bearer", expires_in: 3600 });
    expect((await auth.signOut()).error).toBeNull();
    expect((await auth.getSession()).data.session).toBeNull();
    const login = await auth.signInWithPassword({ email, password });
    expect(login.data.user?.id).toBe(made.data.user?.id);
    const seen = await auth.getUser();
    expect(seen.data.user).toEqual(login.data.user);
  });

  test("goes on with its session", async () => {
    const auth = open();
    const { data } = await auth.signUp({ email: newAddress(), password });
    const refreshed = await auth.refreshSession();
    expect(refreshed.error).toBeNull();
    expect(refreshed.data.session?.refresh_token).not.toBe(data.session?.refresh_token);
    expect(refreshed.data.user?.id).toBe(data.user?.id);
    expect((await auth.getUser()).error).toBeNull();
  });

  test("checks its token by the key set, without asking whose it is", async () => {
    const auth = open();
    const { data } = await auth.signUp({ email: newAddress(), password });
    const getUser = vi.spyOn(auth, "getUser");
    const { data: checked, error } = await auth.getClaims();
    expect(error).toBeNull();
    expect(checked?.claims).toMatchObject({ sub: data.user?.id, aud: "authenticated", role: "authenticated" });
    expect(getUser).not.toHaveBeenCalled();
    const { access_token: token = "" } = data.session ?? {};
    const changed = token.slice(0, -10) + (token.at(-10) === "A" ? "B" : "A") + token.slice(-9);
    expect((await auth.getClaims(changed)).error?.message).toBe("Invalid JWT signature");
  });

  test("changes what its user keeps, and the password", async () => {
    const auth = open();
    const email = newAddress();
    await auth.signUp({ email, password });
    const changed = await auth.updateUser({ data: { city: "London" } });
    expect(changed.data.user?.user_metadata).toMatchObject({ city: "London", email });
    expect((await auth.updateUser({ password: "another longer secret" })).error).toBeNull();
    await auth.signOut();
    expect(refusalOf(await auth.signInWithPassword({ email, password }))).toMatchObject({
      code: "invalid_credentials",
    });
    expect((await auth.signInWithPassword({ email, password: "another longer secret" })).error).toBeNull();
  });

  test("tells what is wrong by the codes that front ends know", async () => {
    const auth = open();
    const email = newAddress();
    await auth.signUp({ email, password });
    expect(refusalOf(await auth.signUp({ email, password }))).toEqual({
      status: 422,
      code: "user_already_exists",
      message: "User already registered",
    });
    const weak = await auth.signUp({ email: newAddress(), password: "short" });
    expect(weak.error !== null && isAuthWeakPasswordError(weak.error) && weak.error.reasons).toEqual(["length"]);
    expect(refusalOf(await auth.signInWithPassword({ email, password: "wrong" }))).toEqual({
      status: 400,
      code: "invalid_credentials",
      message: "Invalid login credentials",
    });
    expect(refusalOf(await auth.signInAnonymously())).toMatchObject({ code: "anonymous_provider_disabled" });
  });
});

test("its listeners hear what happens", async () => {
  const { auth, events } = await signedUp();
  await auth.updateUser({ data: { city: "London" } });
  await auth.refreshSession();
  await auth.signOut();
  expect(events).toEqual(["INITIAL_SESSION", "SIGNED_IN", "USER_UPDATED", "TOKEN_REFRESHED", "SIGNED_OUT"]);
});

test("another page of the same browser has the session", async () => {
  const { storage, user } = await signedUp();
  const { auth, events } = opened({ storage });
  expect((await auth.getUser()).data.user?.id).toBe(user.id);
  expect(events).toContain("SIGNED_IN");
});

test("a session whose token has run out is refreshed before the next call", async () => {
  let now = Date.now();
  const { url } = await serve({}, { worker: false, clock: () => now });
  const { auth, events, storage, user } = await signedUp(opened({ url }));
  const { data } = await auth.getSession();
  const session = { ...data.session, expires_at: Math.floor(Date.now() / 1000) - 1 };
  const key = (auth as unknown as { readonly storageKey: string }).storageKey;
  storage.setItem(key, JSON.stringify(session));
  now += 60 * 60 * 1000;
  expect((await auth.getUser()).data.user?.id).toBe(user.id);
  expect(events).toContain("TOKEN_REFRESHED");
  const { data: after } = await auth.getSession();
  expect(decodeJwt(after.session?.access_token ?? "").exp).toBe(Math.floor(now / 1000) + 3600);
});

test.each([
  ["global", false, false],
  ["others", true, false],
  ["local", false, true],
] as const)("signing out by the scope %s", async (scope, isHere, isThere) => {
  const here = await signedUp();
  const there = opened();
  await there.auth.signInWithPassword({ email: here.email, password });
  const tokens = await Promise.all([here, there].map(async ({ auth }) => (await auth.getSession()).data.session));
  expect((await here.auth.signOut({ scope })).error).toBeNull();
  const alive = await Promise.all(
    tokens.map(async (session) => (await opened().auth.getUser(session?.access_token)).error === null),
  );
  expect(alive).toEqual([isHere, isThere]);
});

test("another address and a new password at once are changed both, or neither", async () => {
  const mail = await serveMail();
  const settings = { SMTP_URL: mail.url, MAIL_FROM: "darkroom@example.com" };
  const server = await serve(settings, { worker: false });
  const { auth, email: before } = await signedUp(opened({ url: server.url }));
  const email = newAddress();
  const wanted = { email, password: "another longer secret", current_password: password, data: { city: "London" } };
  for (const bad of [{ password: "short" }, { current_password: "a wrong one" }, { email: "nope" }, { phone: "123" }]) {
    const { error } = await auth.updateUser({ ...wanted, ...bad });
    expect([400, 422]).toContain(error?.status);
    expect((await auth.getUser()).data.user?.user_metadata).not.toHaveProperty("city");
  }
  const { current_password: _, ...unproven } = wanted;
  expect(refusalOf(await auth.updateUser(unproven))).toMatchObject({ code: "current_password_required" });
  expect((await opened({ url: server.url }).auth.signInWithPassword({ email: before, password })).error).toBeNull();

  expect((await auth.updateUser(wanted)).error).toBeNull();
  const token = tokenIn(await mail.mailTo(email, "Confirm this address"));
  await server.auth.confirmEmailChange({ token });
  const signedIn = await opened({ url: server.url }).auth.signInWithPassword({ email, password: wanted.password });
  expect(signedIn.error).toBeNull();
  expect(mail.received.filter(({ to }) => to.includes(email))).toHaveLength(1);
});

test("what the API has beyond that is not there", async () => {
  const { error } = await opened().auth.signInWithOtp({ email: newAddress() });
  expect(error?.name).toBe("AuthUnknownError");
});
