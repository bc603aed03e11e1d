import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { recordingLog } from "../support/log.ts";
import { signIn, signInAdmin, submitJob, unlimited } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { openUpstream } from "../support/upstream.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const log = recordingLog();
const faults = () => log.lines.filter(({ level }) => level === "warn" || level === "error");
const upstream = await openUpstream();
afterAll(() => upstream.close());
const limits = unlimited("SignUp", "Login", "RefreshToken", "ResetPassword", "ConfirmEmailChange", "ExchangeApiKey");
const env = { DARKROOM_RATE_LIMITS: `address=off,${limits}`, RELAY_UPSTREAM_URL: upstream.url };
const server = await shareServer(env, { worker: false, log });
const { auth, jobs } = server;
const user = await signIn(server);
const { sessionToken } = await auth.login({ identity: user.username, password: user.password, sessionToken: true });
const { credential: admin } = await signInAdmin({ auth });
const { apiKey } = await auth.createClient(
  { client: { name: "a", scopes: ["auth:check"], limitPerMinute: 1_000_000 } },
  admin,
);
const { accessToken: clientToken } = await auth.exchangeApiKey({ apiKey });
const { token: resetToken } = await auth.issueUserToken({ userId: user.account?.id ?? "" }, admin);

const { jobId } = await submitJob({ jobs }, user.credential);
const message = await (await openWorkerQueues(server.dataDir)).message(jobId);
upstream.on("GET /v1/tools", (_request, response) => void response.end("ok"));
await fetch(`${server.url}/v1/tools`, { headers: { authorization: `Bearer ${user.token}` } });
const identity = upstream.received[0]?.headers.authorization?.replace("Bearer ", "") ?? "";

const real = {
  access: user.token,
  key: apiKey,
  client: clientToken,
  session: sessionToken,
  refresh: user.refreshToken,
  reset: resetToken,
  job: message.token,
  identity,
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

async function routeStatus(path: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const response = await fetch(server.url + path, { headers });
  await response.arrayBuffer();
  return response.status;
}

/** What fetch takes as a header: the others are refused before they leave. */
const fits = (text: string) => /^[\x20-\x7e]*$/.test(text);

test("what is forged below is good as it is, but for what is for others", async () => {
  for (const kind of ["access", "key", "client", "session", "job"] as const)
    expect([kind, (await auth.validate({ credential: real[kind] })).valid]).toEqual([kind, true]);
  expect(identity).toMatch(/^ey/);
  for (const kind of ["session", "refresh", "reset", "identity"] as const) {
    expect([kind, await statusOf("CheckAuth", {}, { authorization: `Bearer ${real[kind]}` })]).toEqual([kind, 401]);
    expect([kind, await statusOf("CheckAuth", {}, { "x-api-key": real[kind] })]).toEqual([kind, 401]);
  }
});

test.each(["access", "key", "client", "session", "job", "identity"] as const)(
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
        expect(await routeStatus("/download/x", { authorization: `Bearer ${forged}` })).toBe(401);
        expect(await routeStatus("/download/x", { cookie: `session=${encodeURIComponent(forged)}` })).toBe(401);
        expect(await routeStatus("/session/validate", { "x-session-token": forged })).toBe(401);
      }),
      { numRuns: 150 },
    );
    expect(faults()).toEqual([]);
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
  expect(faults()).toEqual([]);
  // What was forged by the hundred has spoilt nothing.
  await auth.checkAuth({}, user.credential);
  await auth.refreshToken({ refreshToken: user.refreshToken });
  await auth.resetPassword({ token: resetToken, newPassword: "a good new one" });
});

test("a credential in a header that is none is nobody's", async () => {
  // The one above has a new password by now.
  const user = await signIn(server);
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
    expect(await statusOf("CheckAuth", {}, { authorization })).toBe(200);
  expect(faults()).toEqual([]);
});
