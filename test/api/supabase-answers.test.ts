import { decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { serve, signIn, signInAdmin, unlimited } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const limits = unlimited("SignUp", "Login", "RefreshToken");
const server = await shareServer({ DARKROOM_RATE_LIMITS: limits }, { worker: false });
const password = "a longer secret";
let count = 0;

interface Sent {
  readonly body?: unknown;
  readonly authorization?: string;
  readonly url?: string;
}

async function send(request: string, { body, authorization, url = server.url }: Sent = {}) {
  const [method = "", path] = request.split(" ");
  const response = await fetch(`${url}/auth/v1${path}`, {
    method,
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined ? {} : { "content-type": "application/json;charset=UTF-8" }),
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

async function signUp(data?: object) {
  count += 1;
  const email = `Person${count}@example.com`;
  const { status, body } = await send("POST /signup", { body: { email, password, data } });
  expect(status).toBe(200);
  return { ...body, email: email.toLowerCase(), authorization: `Bearer ${body.access_token}` };
}

const known = await signUp();
const refused = (code: number, error_code: string, msg: unknown = expect.any(String)) => ({ code, error_code, msg });
const bearerNeeded = refused(401, "no_authorization", "This endpoint requires a valid Bearer token");
const badJwt = refused(403, "bad_jwt", expect.stringMatching(/^invalid JWT: unable to parse or verify signature, /));
const noAddress = refused(400, "validation_failed", "Unable to validate email address: invalid format");
const unreadable = refused(400, "bad_json", "Could not parse request body as JSON: unexpected end of JSON input");
const wrong = refused(400, "invalid_credentials", "Invalid login credentials");
const nameless = refused(400, "validation_failed", "missing email or phone");
const noPhones = refused(400, "phone_provider_disabled");
const unstorable = { email: "typed@example.com", password, data: { a: [{ _bsontype: "x" }] } };
const unsupported = refused(400, "invalid_credentials", "unsupported_grant_type");
const notValid = refused(400, "validation_failed", "Refresh token is not valid");
const weak = (reason: string, msg: unknown) => ({
  ...refused(422, "weak_password", msg),
  weak_password: { reasons: [reason] },
});
const gotrue = {
  version: "",
  name: "GoTrue",
  description: "GoTrue is a user registration and authentication API",
};
const someone = { email: "someone@example.com", password };
const signInOf = (email: string, secret = password) => ({ body: { email, password: secret } });
const byPassword = "POST /token?grant_type=password";
const byRefresh = "POST /token?grant_type=refresh_token";

test("what is answered to somebody is kept by nobody on its way", async () => {
  for (const [request, sent] of [
    ["POST /token?grant_type=password", { body: { email: known.email, password } }],
    ["POST /token?grant_type=password", { body: { email: known.email, password: "wrong" } }],
    ["GET /user", { authorization: known.authorization }],
  ] as const)
    expect([request, (await send(request, sent)).headers.get("cache-control")]).toEqual([request, "no-store"]);
});

test("what is not there is told as text", async () => {
  const { headers } = await send("GET /nothing", {});
  expect(headers.get("content-type")).toBe("text/plain; charset=utf-8");
});

describe("answers", () => {
  test.each<[what: string, request: string, sent: Sent, status: number, body: unknown]>([
    ["health", "GET /health", {}, 200, gotrue],
    [
      "settings",
      "GET /settings",
      {},
      200,
      expect.objectContaining({
        external: expect.objectContaining({ email: true, phone: false }),
        disable_signup: false,
        mailer_autoconfirm: true,
      }),
    ],
    ["another path", "GET /nothing", {}, 404, "404 page not found\n"],
    ["another method", "DELETE /user", {}, 404, "404 page not found\n"],
    [
      "a known address",
      "POST /signup",
      { body: { ...someone, email: known.email } },
      422,
      refused(422, "user_already_exists", "User already registered"),
    ],
    [
      "a short password",
      "POST /signup",
      { body: { ...someone, password: "1234567" } },
      422,
      weak("length", "Password should be at least 8 characters."),
    ],
    [
      "a common password",
      "POST /signup",
      { body: { ...someone, password: "password1" } },
      422,
      weak("pwned", expect.stringMatching(/^Password .*choose another\.$/)),
    ],
    [
      "a long password",
      "POST /signup",
      { body: { ...someone, password: "x".repeat(73) } },
      400,
      refused(400, "validation_failed", "Password must have at most 72 bytes"),
    ],
    ["no address", "POST /signup", { body: { ...someone, email: "nope" } }, 400, noAddress],
    ["data that MongoDB cannot keep", "POST /signup", { body: unstorable }, 400, refused(400, "validation_failed")],
    ["a phone", "POST /signup", { body: { phone: "123", password } }, 400, noPhones],
    [
      "no password",
      "POST /signup",
      { body: { email: someone.email } },
      400,
      refused(400, "validation_failed", "Signup requires a valid password"),
    ],
    ["half an object", "POST /signup", { body: "{" }, 400, unreadable],
    ["no JSON", "POST /signup", { body: "email=a" }, 400, unreadable],
    [
      "nobody",
      "POST /signup",
      { body: {} },
      422,
      refused(422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled"),
    ],
    [
      "an address that is a number",
      "POST /signup",
      { body: { email: 5, password } },
      400,
      refused(400, "validation_failed", expect.any(String)),
    ],
    ["a wrong password", byPassword, signInOf(known.email, "another secret"), 400, wrong],
    ["an unknown address", byPassword, signInOf("nobody@example.com"), 400, wrong],
    ["an empty password", byPassword, signInOf(known.email, ""), 400, wrong],
    ["no password to sign in by", byPassword, { body: { email: known.email } }, 400, wrong],
    ["a long password to sign in by", byPassword, signInOf(known.email, "x".repeat(73)), 400, wrong],
    ["a long address to sign in by", byPassword, signInOf(`${"x".repeat(250)}@example.com`), 400, wrong],
    ["no address to sign in by", byPassword, { body: {} }, 400, nameless],
    ["nothing to sign in by", byPassword, {}, 400, nameless],
    ["a phone to sign in by", byPassword, { body: { phone: "123", password } }, 400, noPhones],
    ["another grant", "POST /token?grant_type=nope", { body: {} }, 400, unsupported],
    ["no grant", "POST /token", { body: {} }, 400, unsupported],
    ["an unknown refresh token", byRefresh, { body: { refresh_token: "abc" } }, 400, notValid],
    ["no token", "GET /user", {}, 401, bearerNeeded],
    ["another scheme", "GET /user", { authorization: "Basic YTpi" }, 401, bearerNeeded],
    ["a broken token", "GET /user", { authorization: `${known.authorization}x` }, 403, badJwt],
    ["no token to change", "PUT /user", { body: { data: {} } }, 401, bearerNeeded],
    ["no token to sign out", "POST /logout", {}, 401, bearerNeeded],
    [
      "another scope",
      "POST /logout?scope=all",
      { authorization: known.authorization },
      400,
      refused(400, "validation_failed", expect.stringMatching(/^scope: /)),
    ],
    ["no mail", "POST /recover", { body: { email: known.email } }, 422, refused(422, "email_provider_disabled")],
  ])("%s", async (_what, request, sent, status, body) => {
    const answer = await send(request, sent);
    expect([answer.status, answer.body]).toEqual([status, body]);
    expect(answer.headers.get("x-request-id")).toMatch(/./);
  });

  test("a field's name in any letters, as servers in Go take it", async () => {
    const { status, body } = await send(byPassword, { body: { Email: known.email, PASSWORD: password } });
    expect([status, body.user?.id]).toEqual([200, known.user.id]);
    const data = { Name: "Ada" };
    expect((await send("PUT /user", { authorization: known.authorization, body: { Data: data } })).body).toMatchObject({
      user_metadata: data,
    });
  });

  test("a field that is null as one that is not given, as clients in Dart write it", async () => {
    const none = { phone: null, data: null };
    const { status, body } = await send("POST /signup", { body: { email: "dart@example.com", password, ...none } });
    expect([status, body.user?.email]).toEqual([200, "dart@example.com"]);
    const authorization = `Bearer ${body.access_token}`;
    const update = { email: null, password: null, data: null };
    expect((await send("PUT /user", { authorization, body: update })).status).toBe(200);
    expect((await send(byPassword, { body: { email: null } })).body).toEqual(nameless);
  });

  test("too large a body", async () => {
    const { status, body } = await send("POST /signup", { body: { data: { x: "x".repeat(70_000) } } });
    expect([status, body]).toEqual([413, refused(413, "validation_failed")]);
  });
});

describe("a user", () => {
  test("is shown as GoTrue shows one, whole", async () => {
    const { user, email } = await signUp({ name: "Ada", sub: "somebody else" });
    const id = expect.stringMatching(/^[0-9a-f-]{36}$/);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
    const times = { last_sign_in_at: time, created_at: time, updated_at: time };
    const identity = { email, email_verified: true, phone_verified: false, sub: user.id };
    expect(user).toEqual({
      id,
      aud: "authenticated",
      role: "authenticated",
      email,
      email_confirmed_at: time,
      phone: "",
      confirmed_at: time,
      app_metadata: { provider: "email", providers: ["email"] },
      user_metadata: { ...identity, name: "Ada" },
      identities: [
        { identity_id: id, id, user_id: user.id, identity_data: identity, provider: "email", email, ...times },
      ],
      is_anonymous: false,
      ...times,
    });
  });

  test("has the time of the newest sign-in", async () => {
    const { email, authorization, user } = await signUp();
    const again = await send(byPassword, signInOf(email));
    expect(Date.parse(again.body.user.last_sign_in_at)).toBeGreaterThan(Date.parse(user.last_sign_in_at));
    const seen = await send("GET /user", { authorization });
    expect(seen.body).toEqual(again.body.user);
  });

  test("keeps what is added, and loses what is null", async () => {
    const { authorization } = await signUp({ name: "Ada", born: 1815 });
    const { status, body } = await send("PUT /user", { authorization, body: { data: { born: null, city: "London" } } });
    expect(status).toBe(200);
    expect(body.user_metadata).toMatchObject({ name: "Ada", city: "London" });
    expect(body.user_metadata).not.toHaveProperty("born");
    const tooMuch = await send("PUT /user", { authorization, body: { data: { x: "x".repeat(16 * 1024) } } });
    expect([tooMuch.status, tooMuch.body]).toEqual([400, refused(400, "validation_failed")]);
  });

  test("may send the address that it has, in any letters, and none; a phone is refused", async () => {
    const { authorization, email } = await signUp();
    for (const same of [email, email.toLowerCase(), ""])
      expect((await send("PUT /user", { authorization, body: { email: same, phone: "" } })).status).toBe(200);
    const { status, body } = await send("PUT /user", { authorization, body: { phone: "+49123456" } });
    expect([status, body]).toEqual([400, noPhones]);
  });

  test("who was disabled is shut out", async () => {
    const { auth } = server;
    const { authorization, email, user } = await signUp();
    const admin = await signInAdmin({ auth });
    await auth.setUserDisabled({ userId: user.id, disabled: true }, admin.credential);
    expect((await send("GET /user", { authorization })).body).toEqual(refused(403, "session_not_found"));
    expect((await send(byPassword, signInOf(email))).body).toEqual(wrong);
  });
});

describe("a token", () => {
  const secret = "a secret that is shared by all, 32 bytes";

  test("says what the recorded one says", async () => {
    const { access_token, expires_in, expires_at, token_type, user, email } = await signUp({ name: "Ada" });
    expect(decodeProtectedHeader(access_token)).toMatchObject({ typ: "JWT", alg: "ES256" });
    const claims = decodeJwt(access_token);
    expect(claims).toMatchObject({
      sub: user.id,
      aud: "authenticated",
      email,
      phone: "",
      app_metadata: { provider: "email", providers: ["email"] },
      user_metadata: user.user_metadata,
      role: "authenticated",
      aal: "aal1",
      amr: [{ method: "password", timestamp: expect.any(Number) }],
      session_id: expect.any(String),
      is_anonymous: false,
    });
    expect([token_type, expires_in, expires_at]).toEqual(["bearer", 3600, claims.exp]);
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(3600);
  });

  test("of JWT_SECRET_KEY is good for whoever shares it, and the key set is empty", async () => {
    const { url } = await serve({ JWT_SECRET_KEY: secret }, { worker: false });
    const { body } = await send("POST /signup", { url, body: someone });
    // As the template checks it: the algorithm and the signature, not the audience.
    const { payload, protectedHeader } = await jwtVerify(body.access_token, new TextEncoder().encode(secret), {
      algorithms: ["HS256"],
    });
    expect(protectedHeader).toEqual({ alg: "HS256", typ: "JWT" });
    expect(payload).toMatchObject({ sub: body.user.id, email: someone.email });
    expect((await send("GET /.well-known/jwks.json", { url })).body).toEqual({ keys: [] });
  });

  test("leaves out what is too long for a header, and works", async () => {
    const { access_token, authorization, email, user } = await signUp({ story: "é".repeat(7000) });
    expect(decodeJwt(access_token).user_metadata).toEqual({
      email,
      email_verified: true,
      phone_verified: false,
      sub: user.id,
    });
    expect((await send("GET /user", { authorization })).body.user_metadata.story).toHaveLength(7000);
    const edge = await signUp({ x: "x".repeat(2048 - '{"x":""}'.length) });
    expect(decodeJwt(edge.access_token).user_metadata).toHaveProperty("x");
    expect((await send("GET /user", edge)).status).toBe(200);
    const over = await signUp({ x: "x".repeat(2048 - '{"x":""}'.length + 1) });
    expect(decodeJwt(over.access_token).user_metadata).not.toHaveProperty("x");
  });

  test("of any API is one here, and this one everywhere", async () => {
    const { token } = await signIn(server);
    expect((await send("GET /user", { authorization: `Bearer ${token}` })).status).toBe(200);
    const { access_token, user } = await signUp();
    expect((await server.auth.checkAuth({}, bearer(access_token))).principal?.account?.id).toBe(user.id);
    const headers = { authorization: access_token };
    expect((await fetch(`${server.url}/api/check_auth`, { headers })).status).toBe(200);
  });
});

describe("a session", () => {
  const refreshed = (refresh_token: string) => send(byRefresh, { body: { refresh_token } });

  test("goes on; the parent of the newest token is taken again, an older one ends it", async () => {
    const { refresh_token: first, user } = await signUp();
    const second = await refreshed(first);
    expect(second.body).toMatchObject({ token_type: "bearer", expires_in: 3600, user: { id: user.id } });
    expect((await refreshed(first)).body.refresh_token).toBe(second.body.refresh_token);
    const third = await refreshed(second.body.refresh_token);
    const reuse = await refreshed(first);
    expect([reuse.status, reuse.body]).toEqual([400, refused(400, "refresh_token_already_used")]);
    expect((await refreshed(third.body.refresh_token)).body).toEqual(notValid);
    const authorization = `Bearer ${third.body.access_token}`;
    expect((await send("GET /user", { authorization })).body).toEqual(refused(403, "session_not_found"));
  });

  test.each([
    ["global", "403 403 403"],
    ["local", "403 200 200"],
    ["others", "200 403 403"],
    ["", "403 403 403"],
    [undefined, "403 403 403"],
  ])("ends by the scope %j", async (scope, left) => {
    const { email, authorization } = await signUp();
    const others = await Promise.all([1, 2].map(async () => (await send(byPassword, signInOf(email))).body));
    const all = [authorization, ...others.map(({ access_token }) => `Bearer ${access_token}`)];
    const query = scope === undefined ? "" : `?scope=${scope}`;
    expect((await send(`POST /logout${query}`, { authorization })).status).toBe(204);
    const statuses = await Promise.all(
      all.map(async (each) => (await send("GET /user", { authorization: each })).status),
    );
    expect(statuses.join(" ")).toBe(left);
  });
});

describe("a new password", () => {
  const wanted = "another longer secret";

  test("is set without the old one soon after signing in, and ends the other sessions", async () => {
    const { email, authorization } = await signUp();
    const other = await send(byPassword, signInOf(email));
    expect((await send("PUT /user", { authorization, body: { password: wanted } })).status).toBe(200);
    expect((await send("GET /user", { authorization })).status).toBe(200);
    expect((await send("GET /user", { authorization: `Bearer ${other.body.access_token}` })).status).toBe(403);
    expect((await send(byPassword, signInOf(email))).body).toEqual(wrong);
    expect((await send(byPassword, signInOf(email, wanted))).status).toBe(200);
  });

  test("needs the old one a day after, or a session of another API", async () => {
    let now = Date.now();
    const { url, auth } = await serve({}, { worker: false, clock: () => now });
    const body = { email: "ada@example.com", password };
    let session = (await send("POST /signup", { url, body })).body;
    const day = 24 * 60 * 60 * 1000;
    const change = (more: object = {}) =>
      send("PUT /user", { url, authorization: `Bearer ${session.access_token}`, body: { password: wanted, ...more } });
    for (let hour = 1; hour <= 24; hour++) {
      now += day / 24;
      const refreshed = await send(byRefresh, { url, body: { refresh_token: session.refresh_token } });
      session = refreshed.body;
    }
    const tooLate = refused(401, "reauthentication_needed", "Password update requires reauthentication");
    expect((await change()).body).toEqual(tooLate);
    expect((await change({ current_password: "a wrong one" })).body).toEqual(refused(400, "invalid_credentials"));
    expect((await change({ current_password: password })).status).toBe(200);
    const { tokens } = await auth.login({ identity: body.email, password: wanted });
    session = { access_token: tokens?.accessToken };
    expect((await change()).body).toEqual(tooLate);
  });

  test.each(["short", ""])("is refused when it is weak, and nothing else of the change is kept: %j", async (wanted) => {
    const { authorization } = await signUp();
    const { status, body } = await send("PUT /user", { authorization, body: { password: wanted, data: { a: 1 } } });
    expect([status, body]).toEqual([422, weak("length", "Password should be at least 8 characters.")]);
    expect((await send("GET /user", { authorization })).body.user_metadata).not.toHaveProperty("a");
  });
});

test("sign-up that is closed says so", async () => {
  const { url } = await serve({ SIGNUP_ENABLED: "false" }, { worker: false });
  const closed = refused(422, "signup_disabled", "Signups not allowed for this instance");
  expect((await send("POST /signup", { url, body: someone })).body).toEqual(closed);
  expect((await send("GET /settings", { url })).body.disable_signup).toBe(true);
});

test("its calls are counted with those that do the same", async () => {
  const service = "darkroom.auth.v1.AuthService";
  const names = ["SignUp", "Login", "RefreshToken", "UpdateProfile"];
  const few = names.map((name) => `${service}/${name}=1/3600`).join();
  const { url } = await serve({ DARKROOM_RATE_LIMITS: few }, { worker: false });
  const { body } = await send("POST /signup", { url, body: someone });
  const authorization = `Bearer ${body.access_token}`;
  const calls = ["POST /signup", byPassword, byRefresh, "PUT /user"];
  for (const call of calls.slice(1)) expect((await send(call, { url, authorization, body: {} })).status).not.toBe(429);
  for (const call of calls) {
    const { status, body, headers } = await send(call, { url, authorization, body: {} });
    expect([call, status, body]).toEqual([call, 429, refused(429, "over_request_rate_limit")]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  }
});
