import { createHmac, randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { Principal_Kind, Role } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { run } from "../support/process.ts";
import { refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { adminPassword, serve, signIn, signInAdmin, submitJob } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { auth, jobs } = server;
const owner = await signIn(server);

const password = "correct pony battery";
const newName = () => `name-${randomBytes(5).toString("hex")}`;
const login = async (identity: string, secret: string) => {
  const { tokens } = await auth.login({ identity, password: secret });
  return { token: tokens?.accessToken ?? "", refreshToken: tokens?.refreshToken ?? "" };
};
const refresh = async (refreshToken: string) => (await auth.refreshToken({ refreshToken })).tokens?.refreshToken ?? "";

describe("sign-up", () => {
  const name = newName();
  const taken = { username: name, email: `${name}@example.com` };

  test("refuses a name or an address that is taken, in any letter case", async () => {
    const { account } = await auth.signUp({ ...taken, password });
    expect(account).toMatchObject({ ...taken, role: Role.USER });
    const upper = { username: taken.username.toUpperCase(), email: taken.email.toUpperCase() };
    const attempts = [
      { wanted: { username: upper.username, email: "" }, fields: ["username"] },
      { wanted: { username: "", email: upper.email }, fields: ["email"] },
      { wanted: upper, fields: ["username", "email"] },
    ];
    for (const { wanted, fields } of attempts) {
      const refused = await refusal(auth.signUp({ ...wanted, password }));
      expect(refused).toMatchObject({ code: "AlreadyExists", reason: "ACCOUNT_EXISTS", fields });
    }
  });

  test("gives a name to one of those who want it at once", async () => {
    const username = newName();
    const all = await Promise.allSettled(
      [username, username.toUpperCase(), username].map((wanted) => auth.signUp({ username: wanted, password })),
    );
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("makes up a username for an email address", async () => {
    const email = `${newName()}@example.com`;
    const { account } = await auth.signUp({ email, password });
    expect(account?.username).toMatch(/^[\w.-]{3,64}$/);
    expect((await auth.login({ identity: account?.username ?? "", password })).account?.email).toBe(email);
  });

  test.each([
    ["no name at all", { username: "", email: "" }, "username"],
    ["a short username", { username: "ab" }, "username"],
    ["a long username", { username: "a".repeat(65) }, "username"],
    ["a username with @", { username: "a@b.example" }, "username"],
    ["a username of other letters", { username: "жужа" }, "username"],
    ["an address without @", { email: "nobody" }, "email"],
    ["an address with two @", { email: "a@b@c.example" }, "email"],
    ["an address in brackets", { email: "<nobody@example.com>" }, "email"],
    ["an address with a fullwidth letter", { email: "nobody@ｅxample.com" }, "email"],
    ["an address with a blank", { email: "a b@example.com" }, "email"],
    ["a long address", { email: `a@${"b".repeat(250)}.example` }, "email"],
    ["no password", { password: "" }, "password"],
    ["a short password", { password: "7 chars" }, "password"],
    ["a common password", { password: "Password1" }, "password"],
    ["73 bytes of password", { password: "x".repeat(73) }, "password"],
    ["74 bytes in 37 characters", { password: "é".repeat(37) }, "password"],
    ["a password with a zero byte", { password: "long enough\0" }, "password"],
  ])("refuses %s", async (_what, change, field) => {
    const refused = await refusal(auth.signUp({ username: newName(), email: "", password, ...change }));
    expect(refused).toMatchObject({ code: "InvalidArgument", reason: "INVALID_FIELD", fields: [field] });
  });

  test("takes a password of 72 bytes, and reads all of it", async () => {
    const username = newName();
    const longest = `${"é".repeat(35)}xy`;
    await auth.signUp({ username, password: longest });
    expect(await refusal(auth.login({ identity: username, password: `${longest.slice(0, -1)}z` }))).toMatchObject({
      reason: "LOGIN_FAILED",
    });
    expect((await auth.login({ identity: username, password: longest })).account?.username).toBe(username);
  });

  test.each([
    ["/auth/v1/token?grant_type=password", "email"],
    ["/api/collections/users/auth-with-password", "identity"],
  ])("takes nothing longer for a password of 72 bytes at %s", async (path, name) => {
    const email = `${newName()}@example.com`;
    const longest = "x".repeat(72);
    await auth.signUp({ email, password: longest });
    const headers = { "content-type": "application/json" };
    const statusOf = async (password: string) => {
      const body = JSON.stringify({ [name]: email, password });
      return (await fetch(server.url + path, { method: "POST", headers, body })).status;
    };
    expect([await statusOf(`${longest}x`), await statusOf(longest)]).toEqual([400, 200]);
  });
});

describe("login", () => {
  test("takes the username or the email address, in any letter case", async () => {
    const username = newName();
    const email = `${username}@Example.com`;
    const { account } = await auth.signUp({ username, email, password });
    for (const identity of [username.toUpperCase(), email.toUpperCase(), email.toLowerCase()]) {
      expect((await auth.login({ identity, password })).account).toEqual(account);
    }
  });

  test("says when its tokens end", async () => {
    const { tokens } = await auth.login({ identity: owner.username, password: owner.password });
    const minutes = (time: { seconds: bigint } | undefined) => (Number(time?.seconds) - Date.now() / 1000) / 60;
    expect(minutes(tokens?.accessTokenExpireTime)).toBeCloseTo(15, 0);
    expect(minutes(tokens?.refreshTokenExpireTime) / 60 / 24).toBeCloseTo(7, 1);
  });

  test("answers an unknown name as it answers a wrong password", async () => {
    const wrong = await refusal(auth.login({ identity: owner.username, password }));
    const unknownName = await refusal(auth.login({ identity: newName(), password }));
    const unknownAddress = await refusal(auth.login({ identity: "nobody@example.com", password }));
    expect(wrong).toMatchObject({ code: "Unauthenticated", reason: "LOGIN_FAILED", fields: [] });
    for (const { code, reason, message } of [unknownName, unknownAddress]) {
      expect({ code, reason, message }).toEqual({ code: wrong.code, reason: wrong.reason, message: wrong.message });
    }
  });

  test.each([
    ["nothing", { identity: "", password: "" }, ["identity", "password"]],
    ["a long identity", { identity: "a".repeat(255), password }, ["identity"]],
    ["a password over 72 bytes", { identity: "someone", password: "x".repeat(73) }, ["password"]],
  ])("refuses %s", async (_what, wanted, fields) => {
    expect(await refusal(auth.login(wanted))).toMatchObject({ code: "InvalidArgument", fields });
  });
});

describe("refresh", () => {
  const spent = { code: "Unauthenticated", reason: "REFRESH_TOKEN_INVALID" };

  test("rotates, gives a repeat the same successor, and ends the session when an older one is used", async () => {
    const { token, refreshToken: first } = await login(owner.username, owner.password);
    const second = await refresh(first);
    expect(second).not.toBe(first);
    expect(await refresh(first)).toBe(second);
    const third = await refresh(second);
    expect(await refresh(second)).toBe(third);
    expect((await auth.checkAuth({}, bearer(token))).principal?.account).toEqual(owner.account);

    expect(await refusal(refresh(first))).toMatchObject({ ...spent, reason: "REFRESH_TOKEN_REUSED" });
    expect(await refusal(refresh(third))).toMatchObject(spent);
    expect(await refusal(auth.checkAuth({}, bearer(token)))).toMatchObject({ reason: "SESSION_ENDED" });
  });

  test("gives all who repeat it at once the same successor", async () => {
    const { refreshToken } = await login(owner.username, owner.password);
    const successors = await Promise.all(Array.from({ length: 10 }, () => refresh(refreshToken)));
    expect(new Set(successors).size).toBe(1);
  });

  test("gives an access token that works, beside the one before", async () => {
    const { token, refreshToken } = await login(owner.username, owner.password);
    const { tokens } = await auth.refreshToken({ refreshToken });
    for (const good of [token, tokens?.accessToken ?? ""]) {
      expect((await auth.checkAuth({}, bearer(good))).principal?.account).toEqual(owner.account);
    }
  });

  test("refuses what was never issued, and nobody's session ends by it", async () => {
    const { token, refreshToken } = await login(owner.username, owner.password);
    const forged = refreshToken.slice(0, -4) + (refreshToken.endsWith("AAAA") ? "BBBB" : "AAAA");
    for (const made of [forged, "nonsense", token, "x".repeat(5000), "\0"]) {
      expect(await refusal(refresh(made))).toMatchObject(spent);
    }
    expect(await refusal(refresh(""))).toMatchObject({ code: "InvalidArgument", fields: ["refresh_token"] });
    expect(await refresh(refreshToken)).toBeTruthy();
  });
});

describe("logout", () => {
  test("acts at the next call, on this session alone", async () => {
    const [ended, other] = [await login(owner.username, owner.password), await login(owner.username, owner.password)];
    await auth.logout({}, bearer(ended.token));
    expect(await refusal(auth.checkAuth({}, bearer(ended.token)))).toMatchObject({
      code: "Unauthenticated",
      reason: "SESSION_ENDED",
    });
    expect(await refusal(refresh(ended.refreshToken))).toMatchObject({ code: "Unauthenticated" });
    expect(await refusal(auth.logout({}, bearer(ended.token)))).toMatchObject({ code: "Unauthenticated" });
    expect(await auth.validate({ credential: ended.token })).toMatchObject({ valid: false });
    expect((await auth.checkAuth({}, bearer(other.token))).principal?.account).toEqual(owner.account);
  });

  test("ends a watch that is open", async () => {
    const { token } = await login(owner.username, owner.password);
    const { jobId } = await submitJob({ jobs }, bearer(token));
    const refused = await refusal(
      (async () => {
        for await (const seen of jobs.watchImageJob({ jobId }, bearer(token))) {
          expect(seen.job?.id).toBe(jobId);
          await auth.logout({}, bearer(token)).catch(() => undefined);
        }
      })(),
    );
    expect(refused).toMatchObject({ code: "Unauthenticated", reason: "SESSION_ENDED" });
  });

  test("leaves a poll that waits without its job", async () => {
    const { token } = await login(owner.username, owner.password);
    const { jobId } = await submitJob({ jobs }, bearer(token));
    const wait = { seconds: 1n, nanos: 0 };
    const waiting = refusal(jobs.pollImageJob({ jobId, wait }, bearer(token)));
    await auth.logout({}, bearer(token));
    expect(await waiting).toMatchObject({ code: "Unauthenticated", reason: "SESSION_ENDED" });
  });
});

const encode = (part: object | string) =>
  Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
const claims = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
const header = (token: string) => JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString());
const hs256 = (head: object, payload: object, key: string) => {
  const signed = `${encode(head)}.${encode(payload)}`;
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
};
const changed = (token: string, change: object) => {
  const [head, , signature] = token.split(".");
  return `${head}.${encode({ ...claims(token), ...change })}.${signature}`;
};

const infoOf = (reason: string) =>
  Buffer.from(toBinary(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain: "darkroom" })))
    .toString("base64")
    .replace(/=+$/, "");

describe("a credential", () => {
  const [, payload] = owner.token.split(".");
  const bad: readonly (readonly [string, string])[] = [
    ["a word", "nonsense"],
    ["three words", "a.b.c"],
    ["a header that claims to be a job token's", `${encode({ alg: "HS256", typ: "job+jwt" })}.${payload}.AAAA`],
    [
      "a job token without a signature",
      `${encode({ alg: "none", typ: "job+jwt" })}.${encode({ sub: "x", exp: 9e9 })}.`,
    ],
    ["an access token without a signature", `${encode({ alg: "none", typ: "at+jwt" })}.${payload}.`],
    ["one signed by an empty secret", hs256({ alg: "HS256", typ: "at+jwt" }, claims(owner.token), "\0")],
    ["one that lives longer than it was issued for", changed(owner.token, { exp: 9e9 })],
    ["one for somebody else", changed(owner.token, { sub: "00000000-0000-4000-8000-000000000000" })],
    ["a cut one", owner.token.slice(0, -5)],
    ["a refresh token", owner.refreshToken],
    ["one with its scheme", `Bearer ${owner.token}`],
    ["a long one", "x".repeat(60_000)],
    ["other letters", "жетон"],
    ["a zero byte", "\0"],
  ];

  test("is whose it is", async () => {
    const { valid, principal } = await auth.validate({ credential: owner.token });
    expect(valid).toBe(true);
    expect(principal).toMatchObject({ kind: Principal_Kind.USER, account: owner.account, jobId: "" });
    expect(principal?.sessionId).not.toBe("");
    expect((await auth.checkAuth({}, owner.credential)).principal).toEqual(principal);
  });

  test.each(bad)("is not valid when it is %s", async (_what, credential) => {
    expect(await auth.validate({ credential })).toMatchObject({ valid: false });
    const answer = await auth.validate({ credential });
    expect(answer.principal).toBeUndefined();
  });

  test("must be given to be validated", async () => {
    expect(await refusal(auth.validate({}))).toMatchObject({ code: "InvalidArgument", fields: ["credential"] });
  });

  const call = (authorization: string | undefined) =>
    fetch(`${server.url}/darkroom.auth.v1.AuthService/CheckAuth`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) },
      body: "{}",
    });
  const download = (authorization: string | undefined) =>
    fetch(`${server.url}/download/x`, { headers: authorization === undefined ? {} : { authorization } });

  test.each([
    ["nothing", undefined, "CREDENTIAL_MISSING"],
    ["another scheme", `Basic ${encode("user:password")}`, "CREDENTIAL_MISSING"],
    ["a scheme alone", "Bearer", "CREDENTIAL_MISSING"],
    ["no scheme", owner.token, "CREDENTIAL_MISSING"],
    ["two tokens", "Bearer one two", "CREDENTIAL_MISSING"],
    ["garbage", "Bearer garbage", "CREDENTIAL_INVALID"],
    ["an unsigned token", `Bearer ${encode({ alg: "none", typ: "at+jwt" })}.${payload}.`, "CREDENTIAL_INVALID"],
    ["a very long token", `Bearer ${"x".repeat(8000)}`, "CREDENTIAL_INVALID"],
  ])("is refused with a challenge when the header has %s", async (_what, authorization, reason) => {
    const challenge = `Bearer realm="darkroom"${reason === "CREDENTIAL_INVALID" ? ', error="invalid_token"' : ""}`;
    const rpc = await call(authorization);
    const error = (await rpc.json()) as { details: { type: string; debug?: unknown }[] };
    expect(rpc.status).toBe(401);
    expect(rpc.headers.get("www-authenticate")).toBe(challenge);
    expect(error).toMatchObject({ code: "unauthenticated" });
    expect(error.details).toContainEqual(
      expect.objectContaining({ type: "google.rpc.ErrorInfo", value: infoOf(reason) }),
    );

    const route = await download(authorization);
    expect(route.status).toBe(401);
    expect(route.headers.get("www-authenticate")).toBe(challenge);
    expect(await route.json()).toMatchObject({ status: 401, reason });
  });

  test("is told where to stand when it stands there without its scheme", async () => {
    const message =
      "this call needs a credential: send `Authorization: Bearer` with a token or an API key, or `X-API-Key`";
    expect(await (await call(owner.token)).json()).toMatchObject({ message });
    expect(await (await download(owner.token)).json()).toMatchObject({ detail: message });
  });

  test("may name its scheme in any letter case", async () => {
    expect((await call(`bEARER  ${owner.token}`)).status).toBe(200);
  });
});

describe("with SIGNUP_ENABLED=false", () => {
  test("nobody signs up, and the administrator still logs in", async () => {
    const closed = await serve({ SIGNUP_ENABLED: "false" }, { worker: false });
    const refused = await refusal(closed.auth.signUp({ username: newName(), password }));
    expect(refused).toMatchObject({ code: "FailedPrecondition", reason: "SIGNUP_DISABLED" });
    const { account } = await signInAdmin(closed);
    expect(account?.role).toBe(Role.ADMIN);
  });
});

describe("with JWT_SECRET", () => {
  const secret = "a secret that has at least 32 bytes";

  test("tokens are HS256 by it, and only by it", async () => {
    const shared = await serve({ JWT_SECRET: secret }, { worker: false });
    const { token } = await signIn(shared);
    const [head, payload] = token.split(".");
    expect(header(token)).toMatchObject({ alg: "HS256", typ: "at+jwt" });
    expect(token.endsWith(createHmac("sha256", secret).update(`${head}.${payload}`).digest("base64url"))).toBe(true);

    const resigned = (key: string, change: object, type = "at+jwt") =>
      hs256({ alg: "HS256", typ: type }, { ...claims(token), ...change }, key);
    expect(await shared.auth.validate({ credential: resigned(secret, {}) })).toMatchObject({ valid: true });
    for (const credential of [
      resigned(`${secret}!`, {}),
      resigned(secret, { exp: Math.floor(Date.now() / 1000) - 1 }),
      resigned(secret, { aud: "somebody else" }),
      resigned(secret, { iss: "somebody else" }),
      resigned(secret, { sid: "00000000-0000-4000-8000-000000000000" }),
      resigned(secret, {}, "job+jwt"),
      owner.token,
    ]) {
      expect(await shared.auth.validate({ credential })).toMatchObject({ valid: false });
    }
  });

  test("another secret ends the tokens of the one before", async () => {
    const dataDir = scratchDirectory();
    const before = await serve({ JWT_SECRET: secret }, { worker: false, dataDir });
    const { token } = await signIn(before);
    await before.app.stop();
    const after = await serve({ JWT_SECRET_KEY: `${secret}, changed` }, { worker: false, dataDir });
    expect(await after.auth.validate({ credential: token })).toMatchObject({ valid: false });
  });
});

test("a secret by both its names must be one", () => {
  const JWT_SECRET = "a secret of thirty-two bytes, at least";
  expect(readServerConfig({ JWT_SECRET, JWT_SECRET_KEY: JWT_SECRET }).jwtSecret).toBe(JWT_SECRET);
  const refused = /^JWT_SECRET_KEY: must be the same as JWT_SECRET where both are set$/;
  expect(() => readServerConfig({ JWT_SECRET, JWT_SECRET_KEY: `${JWT_SECRET}!` })).toThrow(refused);
});

test("a secret has at least 32 bytes", () => {
  const JWT_SECRET = "é".repeat(15);
  for (const name of ["JWT_SECRET", "JWT_SECRET_KEY"]) {
    expect(readServerConfig({ [name]: `${JWT_SECRET}12` }).jwtSecret).toBe(`${JWT_SECRET}12`);
    expect(() => readServerConfig({ [name]: `${JWT_SECRET}1` })).toThrow(`${name}: must have at least 32 bytes`);
  }
});

describe("the first administrator", () => {
  test("is made once, with a password that is told once", async () => {
    const dataDir = scratchDirectory();
    const empty = { DARKROOM_ADMIN_PASSWORD: "", DARKROOM_ADMIN_USERNAME: "Root" };
    const first = await serve(empty, { worker: false, dataDir });
    const made = first.app.adminPassword ?? "";
    const { tokens } = await first.auth.login({ identity: "root", password: made });
    const { token, refreshToken } = await signIn(first);
    await first.app.stop();

    const second = await serve({ DARKROOM_ADMIN_PASSWORD: "another password" }, { worker: false, dataDir });
    expect(second.app.adminPassword).toBeUndefined();
    expect((await second.auth.login({ identity: "root", password: made })).account?.role).toBe(Role.ADMIN);
    expect(await refusal(second.auth.login({ identity: "admin", password: "another password" }))).toMatchObject({
      code: "Unauthenticated",
    });

    const admin = await second.auth.checkAuth({}, bearer(tokens?.accessToken ?? ""));
    expect(admin.principal?.account).toMatchObject({ username: "Root", role: Role.ADMIN });
    expect(await second.auth.validate({ credential: token })).toMatchObject({ valid: true });
    expect((await second.auth.refreshToken({ refreshToken })).tokens?.accessToken).toBeTruthy();
  });

  test.each(["", adminPassword])("needs a name that nobody has, with the password %j", async (given) => {
    const dataDir = scratchDirectory();
    await run(["user", "create", "Admin", "--store"], { DARKROOM_DATA_DIR: dataDir }).finished;
    const start = (name: string) =>
      serve({ DARKROOM_ADMIN_PASSWORD: given, DARKROOM_ADMIN_USERNAME: name }, { worker: false, dataDir });
    await expect(start("admin")).rejects.toThrow(/^DARKROOM_ADMIN_USERNAME: is taken, .*: choose another name$/);
    const { app, auth: there } = await start("root");
    const { account } = await there.login({ identity: "root", password: app.adminPassword ?? given });
    expect(account?.role).toBe(Role.ADMIN);
  });
});
