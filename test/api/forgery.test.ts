import fc from "fast-check";
import { expect, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { createLog } from "../../src/log.ts";
import type { Log } from "../../src/ports/log.ts";
import { adminPassword, signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const faults: unknown[] = [];
const quiet = createLog("silent");
const log: Log = {
  ...quiet,
  info() {},
  debug() {},
  warn: (...entry) => faults.push(entry),
  error: (...entry) => faults.push(entry),
} as Log;
const limits = {
  DARKROOM_RATE_LIMITS:
    "address=off, darkroom.auth.v1.AuthService/Login=off, darkroom.auth.v1.AuthService/RefreshToken=off, darkroom.auth.v1.AuthService/ResetPassword=off, darkroom.auth.v1.AuthService/SignUp=off",
};
const server = await shareServer(limits, { worker: false, log });
const { auth } = server;
const user = await signIn(server);
const { sessionToken } = await auth.login({ identity: user.username, password: user.password, sessionToken: true });
const { tokens } = await auth.login({ identity: "admin", password: adminPassword });
const admin = bearer(tokens?.accessToken ?? "");
const { apiKey } = await auth.createClient(
  { client: { name: "a", scopes: ["auth:check"], limitPerMinute: 1_000_000 } },
  admin,
);
const { accessToken: clientToken } = await auth.exchangeApiKey({ apiKey });
const { token: resetToken } = await auth.issueUserToken({ userId: user.account?.id ?? "" }, admin);

const real = {
  access: user.token,
  key: apiKey,
  client: clientToken,
  session: sessionToken,
  refresh: user.refreshToken,
  reset: resetToken,
};

/** What a credential becomes when something is changed, put in, left out, repeated or taken from another. */
const mutation = fc.record({
  kind: fc.constantFrom("replace", "insert", "cut", "double", "splice", "case", "swap"),
  at: fc.double({ min: 0, max: 0.999, noNaN: true }),
  text: fc.oneof(
    fc.string({ minLength: 1, maxLength: 4 }),
    fc.constantFrom(".", "_", "=", "A", "/", "%00", "eyJhbGciOiJub25lIn0"),
  ),
  other: fc.constantFrom(...Object.values(real)),
});

function mutated(
  credential: string,
  { kind, at, text, other }: { kind: string; at: number; text: string; other: string },
): string {
  const index = Math.floor(at * credential.length);
  const [head, tail] = [credential.slice(0, index), credential.slice(index)];
  switch (kind) {
    case "replace":
      return head + text + tail.slice(text.length);
    case "insert":
      return head + text + tail;
    case "cut":
      return head + tail.slice(1 + text.length);
    case "double":
      return head + tail + tail;
    case "splice":
      return head + other.slice(Math.floor(at * other.length));
    case "case":
      return head + tail.toUpperCase();
    default:
      return tail + head;
  }
}

/** The last character of what is base64url may hold bits that nobody reads. */
function isOther(forged: string, credential: string): boolean {
  const text = forged.trim();
  return text !== "" && !Object.values(real).includes(text) && text.slice(0, -1) !== credential.slice(0, -1);
}

async function statusOf(
  procedure: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  const response = await fetch(`${server.url}/darkroom.auth.v1.AuthService/${procedure}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  return response.status;
}

/** What fetch takes as a header: the others are refused before they leave. */
const fits = (text: string) => /^[\x20-\x7e]*$/.test(text);

test.each(["access", "key", "client", "session"] as const)(
  "no forged %s credential is let in, and none is a fault",
  async (kind) => {
    const credential = real[kind];
    await fc.assert(
      fc.asyncProperty(mutation, async (change) => {
        const forged = mutated(credential, change);
        fc.pre(isOther(forged, credential));
        expect(await statusOf("Validate", { credential: forged })).toBe(200);
        const { valid } = await auth.validate({ credential: forged });
        expect(valid).toBe(false);
        if (!fits(forged)) return;
        expect(await statusOf("CheckAuth", {}, { authorization: `Bearer ${forged}` })).toBe(401);
        expect(await statusOf("CheckAuth", {}, { "x-api-key": forged })).toBe(401);
      }),
      { numRuns: 150 },
    );
    expect(faults).toEqual([]);
  },
);

test("no forged refresh or reset token does anything, and none is a fault", async () => {
  await fc.assert(
    fc.asyncProperty(mutation, async (change) => {
      const refreshToken = mutated(real.refresh, change);
      fc.pre(isOther(refreshToken, real.refresh));
      expect(await statusOf("RefreshToken", { refreshToken })).toBe(401);
      const token = mutated(real.reset, change);
      fc.pre(isOther(token, real.reset));
      expect(await statusOf("ResetPassword", { token, newPassword: "a good new one" })).toBe(400);
      expect(await statusOf("ConfirmEmailChange", { token })).toBe(400);
    }),
    { numRuns: 150 },
  );
  expect(faults).toEqual([]);
  // What was forged by the hundred has spoilt nothing.
  await auth.checkAuth({}, user.credential);
  await auth.refreshToken({ refreshToken: user.refreshToken });
  await auth.resetPassword({ token: resetToken, newPassword: "a good new one" });
});

test("a credential in a header that is none is nobody's", async () => {
  const odd = [
    "",
    " ",
    "Bearer",
    "Bearer ",
    "bearer",
    "Basic abc",
    "Bearer a b",
    "Token x",
    `Bearer,${user.token}`,
    `Bearer "${user.token}"`,
    `Negotiate ${user.token}`,
    `Bearer ${"x".repeat(8000)}`,
  ];
  for (const authorization of odd) expect(await statusOf("CheckAuth", {}, { authorization })).toBe(401);
  for (const authorization of [`bearer ${user.token}`, `BEARER  ${user.token}`])
    expect([200, 401]).toContain(await statusOf("CheckAuth", {}, { authorization }));
  expect(faults).toEqual([]);
});

test("no open call tells by its answer or its headers whether an account is there", async () => {
  const { account, username } = await signIn(server);
  const email = `${username}@example.com`;
  const { token } = await auth.issueUserToken({ userId: account?.id ?? "", email }, admin);
  await auth.confirmEmailChange({ token });
  const id = account?.id ?? "";
  const none = crypto.randomUUID();
  const secret = "A".repeat(43);
  const pairs = [
    [
      "Login",
      { identity: username, password: "wrong password" },
      { identity: "nobody-here", password: "wrong password" },
    ],
    [
      "Login",
      { identity: email, password: "wrong password" },
      { identity: "nobody@example.com", password: "wrong password" },
    ],
    ["RequestPasswordReset", { email }, { email: "nobody@example.com" }],
    ["ResetPassword", ...[id, none].map((of) => ({ token: `dp_${of}_${secret}`, newPassword: "a good new one" }))],
    ["ConfirmEmailChange", ...[id, none].map((of) => ({ token: `de_${of}_${secret}` }))],
    ["Validate", ...[id, none].map((of) => ({ credential: `ds_${of}_${secret}` }))],
    ["RefreshToken", { refreshToken: `${user.refreshToken.slice(0, -6)}AAAAAA` }, { refreshToken: "nonsense" }],
    ["ExchangeApiKey", { apiKey: `${apiKey.slice(0, -6)}AAAAAA` }, { apiKey: `dk_${"a".repeat(16)}_${secret}` }],
  ] as const;
  for (const [procedure, known, unknown] of pairs) {
    const answers = await Promise.all([known, unknown].map((body) => answerOf(procedure as string, body as object)));
    expect([procedure, answers[0]]).toEqual([procedure, answers[1]]);
  }
});

/** All of an answer but what differs each time. */
async function answerOf(procedure: string, body: object) {
  const response = await fetch(`${server.url}/darkroom.auth.v1.AuthService/${procedure}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const changing = ["date", "x-request-id", "ratelimit"];
  const headers = [...response.headers].filter(([name]) => !changing.includes(name));
  return { status: response.status, headers, body: await response.text() };
}
