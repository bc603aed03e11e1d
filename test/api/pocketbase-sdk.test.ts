import PocketBase, { ClientResponseError } from "pocketbase";
import { describe, expect, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { serveMail, tokenIn } from "../support/mail-server.ts";
import { serve, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { auth } = server;
const password = "a longer secret";
const day = 24 * 60 * 60;
let count = 0;

/** A front end with an account on it. */
async function signedUp(url = server.url) {
  const pb = new PocketBase(url);
  const users = pb.collection("users");
  count += 1;
  const username = `user${count}`;
  const email = `${username}@example.com`;
  const record = await users.create({ username, email, password, passwordConfirm: password });
  return { pb, users, username, email, record };
}

async function signedIn() {
  const user = await signedUp();
  const { token } = await user.users.authWithPassword(user.username, password);
  return { ...user, token };
}

function formOf(fields: Readonly<Record<string, string | File>>) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}

async function refusalOf(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ClientResponseError)) throw new Error("the call was not refused", { cause: error });
  const { status, response } = error;
  const fields = Object.entries(response.data as Record<string, { code: string }>);
  return {
    status,
    message: error.message,
    codes: Object.fromEntries(fields.map(([field, { code }]) => [field, code])),
  };
}

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;

describe("the SDK", () => {
  test("signs up, and in by name and by address", async () => {
    const { pb, users, username, email, record } = await signedUp();
    expect(record).toMatchObject({ username, verified: false, name: "" });
    expect(record.id).toMatch(/^[a-z0-9]{15}$/);
    expect(record).not.toHaveProperty("email");
    for (const identity of [username, email, username.toUpperCase()]) {
      const login = await users.authWithPassword(identity, password);
      expect(login.record).toMatchObject({ id: record.id, username, email });
      expect(pb.authStore.isValid).toBe(true);
      expect(pb.authStore.record?.id).toBe(record.id);
    }
  });

  test("signs up with an id of its own", async () => {
    const users = new PocketBase(server.url).collection("users");
    const id = "myown0000000530";
    const wanted = { id, username: "owner.of.it", password, passwordConfirm: password };
    expect(await users.create(wanted)).toMatchObject({ id });
    await users.authWithPassword(wanted.username, password);
    await users.delete(id);
    // It is free when its account is gone, as the name is.
    expect(await users.create(wanted)).toMatchObject({ id });
    const { record } = await signedIn();
    for (const [wanted, code] of [
      [record.id, "validation_invalid_value"],
      ["short", "validation_match_invalid"],
      ["MYOWN0000000530", "validation_match_invalid"],
    ])
      expect(await refusalOf(users.create({ id: wanted, password, passwordConfirm: password }))).toEqual({
        status: 400,
        message: "Failed to create record.",
        codes: { id: code },
      });
    const made = await users.create({ id: "", password, passwordConfirm: password });
    expect(made.id).toMatch(/^[a-z0-9]{15}$/);
  });

  test("has a token for 14 days that says what PocketBase's says", async () => {
    const { pb, record, token } = await signedIn();
    const claims = claimsOf(token);
    expect(claims).toMatchObject({ id: record.id, type: "authRecord", collectionId: "_pb_users_auth_" });
    expect(Number(claims.exp) - Date.now() / 1000).toBeGreaterThan(14 * day - 60);
    expect(Number(claims.exp) - Date.now() / 1000).toBeLessThanOrEqual(14 * day);
    // What is over counts no more for its store.
    const over = { ...claims, exp: Math.floor(Date.now() / 1000) - 1 };
    pb.authStore.save(`x.${Buffer.from(JSON.stringify(over)).toString("base64url")}.x`, pb.authStore.record);
    expect(pb.authStore.isValid).toBe(false);
  });

  test("gives a token that every other call takes", async () => {
    const { token, username } = await signedIn();
    const { principal } = await auth.checkAuth({}, bearer(token));
    expect(principal?.account?.username).toBe(username);
    const { sessions } = await auth.listSessions({}, bearer(token));
    expect(sessions).toHaveLength(1);
  });

  test("gets another token, while the one before works on", async () => {
    const { pb, users, token, record } = await signedIn();
    const refreshed = await users.authRefresh();
    expect(refreshed.record).toMatchObject({ id: record.id });
    expect(refreshed.token).not.toBe(token);
    expect(pb.authStore.token).toBe(refreshed.token);
    for (const each of [token, refreshed.token]) await auth.checkAuth({}, bearer(each));
    // It is the same session, and ends as one.
    await auth.logout({}, bearer(token));
    expect(await refusalOf(users.authRefresh())).toMatchObject({ status: 401 });
  });

  test("gets no more time for a short token of another API", async () => {
    const { pb, users, username } = await signedUp();
    const { tokens } = await auth.login({ identity: username, password });
    pb.authStore.save(tokens?.accessToken ?? "");
    expect(await pb.send("/api/check_auth", {})).toEqual({ client_id: username });
    expect(await refusalOf(users.authRefresh())).toMatchObject({ status: 401 });
  });

  test("asks how to sign in, and whether there is a server", async () => {
    const pb = new PocketBase(server.url);
    const methods = { usernamePassword: true, emailPassword: true, authProviders: [] };
    expect(await pb.collection("users").listAuthMethods()).toEqual(methods);
    expect(await pb.health.check()).toEqual({ status: "OK" });
  });

  test("views its record in each way there is", async () => {
    const { users, record, username, email } = await signedIn();
    const own = { id: record.id, username, email };
    expect(await users.getOne(record.id)).toMatchObject(own);
    expect(await users.getFullList()).toMatchObject([own]);
    expect(await users.getFullList({ batch: 1 })).toMatchObject([own]);
    expect(await users.getList(2, 10)).toMatchObject({ page: 2, perPage: 10, items: [] });
    expect(await users.getList(1, 1000)).toMatchObject({ page: 1, perPage: 500, totalItems: 1 });
    expect(await users.getList(-1, -1)).toMatchObject({ page: 1, perPage: 30, items: [{}] });
    expect(await refusalOf(users.getFirstListItem('username="somebody"'))).toMatchObject({ status: 400 });
  });

  test("changes its record, all of it or nothing", async () => {
    const { users, record, username } = await signedIn();
    const other = await signedUp();
    const changed = await users.update(record.id, {
      name: "Ada",
      emailVisibility: true,
      nothing: 1,
      email: record.email,
    });
    expect(changed).toMatchObject({ name: "Ada", emailVisibility: true, username, avatar: "" });
    const sentBack = { ...changed, username: `${username}x` };
    expect(await users.update(record.id, sentBack)).toMatchObject({ name: "Ada", username: `${username}x` });
    const taken = users.update(record.id, { name: "Bob", username: other.username });
    expect(await refusalOf(taken)).toMatchObject({ status: 400, codes: { username: "validation_invalid_username" } });
    const wrong = { oldPassword: "wrong", password: "another secret", passwordConfirm: "another secret" };
    expect(await refusalOf(users.update(record.id, { name: "Bob", ...wrong }))).toEqual({
      status: 400,
      message: "Something went wrong while processing your request.",
      codes: { oldPassword: "validation_invalid_old_password" },
    });
    expect(await refusalOf(users.update(record.id, { email: "b@example.com" }))).toMatchObject({
      codes: { email: "validation_in_invalid" },
    });
    expect(await users.getOne(record.id)).toMatchObject({ name: "Ada", username: `${username}x` });
  });

  test("has an id and a verification that nobody changes", async () => {
    const { users, record } = await signedIn();
    const change = { id: "another00000000", verified: "true", email: "b@example.com", name: "Ada" };
    expect(await refusalOf(users.update(record.id, change))).toMatchObject({
      codes: { email: "validation_in_invalid", id: "validation_in_invalid", verified: "validation_in_invalid" },
    });
    expect(await users.getOne(record.id)).toMatchObject({ id: record.id, verified: false, name: "" });
    const same = { id: record.id, verified: false, name: "Ada" };
    expect(await users.update(record.id, same)).toMatchObject(same);
    expect(await users.update(record.id, { id: "" })).toMatchObject(same);
  });

  test("has no avatar by a name alone, which is no file, and may give up one that came with it", async () => {
    const { users, record, token } = await signedIn();
    expect(await users.create({ avatar: "a.png", password, passwordConfirm: password })).toMatchObject({ avatar: "" });
    expect(await users.update(record.id, { avatar: "a.png" })).toMatchObject({ avatar: "" });
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const body = JSON.stringify({ data: { avatar: "old.png" } });
    for (const nothing of ["", null]) {
      await fetch(`${server.url}/auth/v1/user`, { method: "PUT", headers, body });
      for (const avatar of ["old.png", "new.png", true])
        expect(await users.update(record.id, { avatar })).toMatchObject({ avatar: "old.png" });
      expect(await users.update(record.id, { avatar: nothing })).toMatchObject({ avatar: "" });
    }
  });

  test("empties what is null in a change", async () => {
    const { users, record, username, email } = await signedIn();
    await users.update(record.id, { name: "Mo", emailVisibility: true });
    const emptied = { id: null, name: null, emailVisibility: null, verified: null, email: null, password: null };
    expect(await users.update(record.id, emptied)).toMatchObject({
      name: "",
      emailVisibility: false,
      username,
      email,
    });
    for (const nothing of [null, ""])
      expect(await refusalOf(users.update(record.id, { username: nothing }))).toEqual({
        status: 400,
        message: "Something went wrong while processing your request.",
        codes: { username: "validation_required" },
      });
  });

  test.each<[unknown, boolean]>([
    [true, true],
    ["1", true],
    ["t", true],
    ["TRUE", true],
    [false, false],
    [1, false],
    [0, false],
    ["", false],
    ["on", false],
    ["tRUE", false],
    [["true"], false],
  ])("shows its address or not by what PocketBase makes of %j", async (emailVisibility, isVisible) => {
    const { users, record } = await signedIn();
    await users.update(record.id, { emailVisibility: !isVisible });
    expect(await users.update(record.id, { emailVisibility })).toMatchObject({ emailVisibility: isVisible });
    if (typeof emailVisibility !== "string") return;
    const made = await users.create(formOf({ password, passwordConfirm: password, emailVisibility }));
    expect(made).toMatchObject({ emailVisibility: isVisible });
  });

  test("signs up with numbers for texts", async () => {
    const users = new PocketBase(server.url).collection("users");
    const made = await users.create({
      username: 4711,
      name: 7.5,
      password: 83749261,
      passwordConfirm: "83749261",
    });
    expect(made).toMatchObject({ username: "4711", name: "7.5" });
    await users.authWithPassword("4711", "83749261");
  });

  test("is read by the first of what a form repeats", async () => {
    const { users, record, pb } = await signedIn();
    const fields = [
      ["name", "Ada"],
      ["name", "Bob"],
    ];
    const form = new FormData();
    for (const [name = "", value = ""] of fields) form.append(name, value);
    expect(await users.update(record.id, form)).toMatchObject({ name: "Ada" });
    await users.update(record.id, { name: "" });
    const headers = { authorization: pb.authStore.token };
    const path = `${server.url}/api/collections/users/records/${record.id}`;
    const response = await fetch(path, { method: "PATCH", headers, body: new URLSearchParams(fields) });
    expect(await response.json()).toMatchObject({ name: "Ada" });
  });

  test("deletes its record, and the account with it", async () => {
    const { users, pb, record, token, username } = await signedIn();
    expect(await users.delete(record.id)).toBe(true);
    expect(pb.authStore.isValid).toBe(false);
    expect(await auth.validate({ credential: token })).toMatchObject({ valid: false });
    expect(await refusalOf(users.authWithPassword(username, password))).toEqual({
      status: 400,
      message: "Failed to authenticate.",
      codes: {},
    });
  });

  test("deletes nothing by the token of another API, whose callers send the password", async () => {
    const { pb, users, record, username, email } = await signedUp();
    const { tokens } = await auth.login({ identity: username, password });
    const path = `${server.url}/auth/v1/token?grant_type=password`;
    const headers = { "content-type": "application/json" };
    const signIn = await fetch(path, { method: "POST", headers, body: JSON.stringify({ email, password }) });
    const { access_token } = (await signIn.json()) as { access_token: string };
    for (const token of [tokens?.accessToken ?? "", access_token]) {
      pb.authStore.save(token);
      expect(await users.getOne(record.id)).toMatchObject({ username });
      expect(await refusalOf(users.delete(record.id))).toEqual({
        status: 400,
        message: "This token is not enough: log in by the same API, or send the password to DeleteProfile.",
        codes: {},
      });
    }
    await users.authWithPassword(username, password);
    expect(await users.delete(record.id)).toBe(true);
  });

  test.each([
    [{ email: "nobody" }, { email: "validation_is_email" }],
    [{ username: "a b" }, { username: "validation_match_invalid" }],
    [{ passwordConfirm: "" }, { passwordConfirm: "validation_required" }],
    [
      { password: "", passwordConfirm: "" },
      { password: "validation_required", passwordConfirm: "validation_required" },
    ],
    [{ password: "password1", passwordConfirm: "password1" }, { password: "validation_invalid_value" }],
    [{ name: "x".repeat(17_000) }, { name: "validation_invalid_value" }],
    [
      { verified: true, passwordConfirm: "" },
      { passwordConfirm: "validation_required", verified: "validation_in_invalid" },
    ],
    [{ name: ["Ada"] }, { name: "validation_invalid_value" }],
    [{ username: { first: "Ada" } }, { username: "validation_match_invalid" }],
  ])("is told of what it may not sign up with: %o", async (change, codes) => {
    const wanted = { username: "somebody", email: "somebody@example.com", password, passwordConfirm: password };
    const refused = await refusalOf(new PocketBase(server.url).collection("users").create({ ...wanted, ...change }));
    expect(refused).toEqual({ status: 400, message: "Failed to create record.", codes });
  });

  test("signs up with an address alone, or with neither name nor address, or with a form", async () => {
    const users = new PocketBase(server.url).collection("users");
    const made = await users.create({ email: "alone@example.com", password, passwordConfirm: password });
    expect(made.username).not.toBe("");
    await users.authWithPassword(made.username, password);
    const nameless = await users.create({ password, passwordConfirm: password });
    await users.authWithPassword(nameless.username, password);
    const form = new URLSearchParams({ username: "byform", password, passwordConfirm: password });
    const response = await fetch(`${server.url}/api/collections/users/records`, { method: "POST", body: form });
    expect([response.status, await response.json()]).toMatchObject([200, { username: "byform" }]);
  });

  test("signs up, and in, with FormData; files are refused by name", async () => {
    const { users, pb } = await signedUp();
    const wanted = { username: "form", password, passwordConfirm: password, emailVisibility: "true" };
    // As a browser sends an input for files that was left empty.
    const made = await users.create(formOf({ ...wanted, avatar: new File([], "") }));
    expect(made).toMatchObject({ username: "form", emailVisibility: true, avatar: "" });
    await pb.send("/api/collections/users/auth-with-password", {
      method: "POST",
      body: formOf({ identity: "form", password }),
    });
    for (const change of [{ avatar: new File(["x".repeat(1_000_000)], "a.png") }, { name: "x".repeat(4097) }]) {
      const refused = await refusalOf(users.create(formOf({ ...wanted, username: "form2", ...change })));
      expect(refused).toMatchObject({ status: 400, codes: { [Object.keys(change)[0] ?? ""]: expect.any(String) } });
    }
    await users.create(formOf({ ...wanted, username: "form2", name: "x".repeat(4096) }));
    const nowhere = { method: "POST", body: formOf({ avatar: new File(["x"], "a.png") }) };
    expect(await refusalOf(pb.send("/api/nothing", nowhere))).toMatchObject({ status: 404 });
  });

  test("is handed tokens that nobody on their way keeps", async () => {
    const { username, token } = await signedIn();
    const post = (path: string, init: RequestInit) =>
      fetch(`${server.url}/api/collections/users/${path}`, { method: "POST", ...init });
    const identity = new URLSearchParams({ identity: username, password });
    for (const response of [
      await post("auth-with-password", { body: identity }),
      await post("auth-refresh", { headers: { authorization: token } }),
    ])
      expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
  });

  test("signs in with a form of 32 fields, and with no larger one", async () => {
    const { pb, record } = await signedUp();
    const signInWith = (more: number) => {
      const others = Array.from({ length: more }, (_, index) => [`other${index}`, "x"]);
      const body = formOf({ identity: record.username, password, ...Object.fromEntries(others) });
      return pb.send("/api/collections/users/auth-with-password", { method: "POST", body });
    };
    await signInWith(30);
    expect(await refusalOf(signInWith(31))).toMatchObject({ status: 400 });
  });

  test("leaves the same trace as the calls", async () => {
    const { users, record } = await signedIn();
    // As front ends send all of a record; nothing is told of a name that stays.
    await users.update(record.id, { username: record.username, name: "Ada" });
    await users.update(record.id, {
      username: "traced",
      oldPassword: password,
      password: "b secret",
      passwordConfirm: "b secret",
    });
    await users.authWithPassword("traced", "b secret");
    await users.authRefresh();
    await users.delete(record.id);
    const admin = await signInAdmin({ auth });
    const { events } = await auth.listAuditEvents({ pageSize: 7 }, admin.credential);
    expect(
      events
        .map(({ action }) => action)
        .toReversed()
        .slice(0, -1),
    ).toEqual([
      "session.started",
      "user.renamed",
      "user.password_changed",
      "session.started",
      "session.refreshed",
      "user.deleted",
    ]);
  });

  test("is told when it calls too often, with the calls that do the same", async () => {
    const login = "darkroom.auth.v1.AuthService/Login";
    const limited = await serve({ DARKROOM_RATE_LIMITS: `${login}=2/60` }, { worker: false });
    const { users, username } = await signedUp(limited.url);
    await limited.auth.login({ identity: username, password });
    await users.authWithPassword(username, password);
    expect(await refusalOf(users.authWithPassword(username, password))).toMatchObject({ status: 429, codes: {} });
    await expect(limited.auth.login({ identity: username, password })).rejects.toThrow(/more than 2 calls/);
  });

  test("resets a password by mail", async () => {
    const mail = await serveMail();
    const env = { SMTP_URL: mail.url, MAIL_FROM: "darkroom@example.com" };
    const { url } = await serve(env, { worker: false });
    const { users, email } = await signedUp(url);
    expect(await users.requestPasswordReset(email)).toBe(true);
    const token = tokenIn(await mail.mailTo(email, "Set a new password"));
    const wanted = "another secret";
    expect(await refusalOf(users.confirmPasswordReset(token, wanted, "else"))).toMatchObject({
      codes: { passwordConfirm: "validation_values_mismatch" },
    });
    expect(await users.confirmPasswordReset(token, wanted, wanted)).toBe(true);
    expect(await refusalOf(users.confirmPasswordReset(token, wanted, wanted))).toMatchObject({
      status: 400,
      codes: { token: "validation_invalid_token" },
    });
    await users.authWithPassword(email, wanted);
  });
});

test("with sign-up closed, nobody is told which names are taken", async () => {
  const { url } = await serve({ SIGNUP_ENABLED: "false" }, { worker: false });
  const users = new PocketBase(url).collection("users");
  const wanted = { username: "admin", password, passwordConfirm: password };
  expect(await refusalOf(users.create(wanted))).toEqual({
    status: 400,
    message: "Sign-up is closed here: ask an administrator for an account.",
    codes: {},
  });
});
