import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { json } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import { Role } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { adminPassword, signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

/** Longer than a caller's word is taken for. */
const lateMs = 600;

const server = await shareServer({}, { worker: false });
const { url, auth } = server;
const admin = bearer((await auth.login({ identity: "admin", password: adminPassword })).tokens?.accessToken ?? "");

/** Sends the headers; the body follows when the caller was admitted, `between` has happened, and it is late. */
async function sendLate(
  { method, path, body, token }: { method: string; path: string; body: object; token: string },
  between: () => Promise<unknown>,
): Promise<{ status: number | undefined; answer: unknown }> {
  const text = JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    expect: "100-continue",
  };
  const sending = request(url + path, { method, headers, agent: false });
  const answered = once(sending, "response");
  sending.flushHeaders();
  const admittedAt = performance.now();
  await once(sending, "continue");
  await between();
  await vi.waitUntil(() => performance.now() - admittedAt > lateMs);
  sending.end(text);
  const [response] = (await answered) as [IncomingMessage];
  return { status: response.statusCode, answer: await json(response) };
}

const calls = [
  [
    "an RPC",
    401,
    { method: "POST", path: "/darkroom.auth.v1.AuthService/UpdateProfile", body: { username: "late.writer" } },
  ],
  ["a plain route", 403, { method: "PUT", path: "/auth/v1/user", body: { data: { a: 1 } } }],
] as const;

test.concurrent.each(calls)(
  "%s is made by whoever is still there when its body comes late",
  async (_, _refused, call) => {
    const { token } = await signIn(server);
    const { status, answer } = await sendLate({ ...call, token }, async () => {});
    expect({ status, answer }).toMatchObject({ status: 200 });
  },
);

test.concurrent.each(calls)(
  "%s is refused when its caller was disabled before its body came",
  async (_, refused, call) => {
    const { token, account } = await signIn(server);
    const userId = account?.id ?? "";
    const { status } = await sendLate({ ...call, token }, () =>
      auth.setUserDisabled({ userId, disabled: true }, admin),
    );
    expect(status).toBe(refused);
  },
);

test("a job is not begun for a client that was deleted before its body came", async () => {
  const { client, apiKey } = await auth.createClient({ client: { name: "late", scopes: ["jobs:submit"] } }, admin);
  const path = "/darkroom.imagejob.v1.ImageJobService/SubmitImageJob";
  const wanted = { method: "POST", path, body: { imageId: "any", prompt: "sepia" }, token: apiKey };
  const { status, answer } = await sendLate(wanted, () => auth.deleteClient({ clientId: client?.id ?? "" }, admin));
  expect({ status, answer }).toMatchObject({ status: 401, answer: { code: "unauthenticated" } });
});

async function newAdmin() {
  const { token, account } = await signIn(server);
  const userId = account?.id ?? "";
  const setRole = (role: Role) => auth.setUserRole({ userId, role }, admin);
  await setRole(Role.ADMIN);
  return { token, userId, demote: () => setRole(Role.USER) };
}

test("an administrator who was demoted before the body came does not promote himself", async () => {
  const { token, userId, demote } = await newAdmin();
  const path = "/darkroom.auth.v1.AuthService/SetUserRole";
  const { status, answer } = await sendLate(
    { method: "POST", path, body: { userId, role: "ROLE_ADMIN" }, token },
    demote,
  );
  expect({ status, answer }).toMatchObject({ status: 403, answer: { code: "permission_denied" } });
  expect((await auth.getUser({ userId }, admin)).user?.role).toBe(Role.USER);
});

test("an administrator who was demoted before the body came makes no client", async () => {
  const { token, demote } = await newAdmin();
  const wanted = { method: "POST", path: "/admin/clients", body: { name: "late", scopes: ["admin"] }, token };
  expect(await sendLate(wanted, demote)).toMatchObject({ status: 403 });
});

test.for([
  ["refused to a client that lost the scope for it", ["jobs:read"], 403, "permission_denied"],
  ["looked at for a client that lost another scope", ["jobs:submit"], 404, "not_found"],
] as const)("a job is %s before its body came", async ([, scopes, status, code]) => {
  const client = { name: "late", scopes: ["jobs:submit", "jobs:read"] };
  const made = await auth.createClient({ client }, admin);
  const path = "/darkroom.imagejob.v1.ImageJobService/SubmitImageJob";
  const wanted = { method: "POST", path, body: { imageId: "any", prompt: "sepia" }, token: made.apiKey };
  const left = { id: made.client?.id ?? "", scopes: [...scopes] };
  const answered = await sendLate(wanted, () =>
    auth.updateClient({ client: left, updateMask: { paths: ["scopes"] } }, admin),
  );
  expect(answered).toMatchObject({ status, answer: { code } });
});
