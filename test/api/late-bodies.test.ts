import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { buffer, json } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import { Role } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { signIn, signInAdmin, submitJob } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

/** Longer than a caller's word is taken for. */
const lateMs = 600;

const server = await shareServer({}, { worker: false });
const { url, auth, jobs } = server;
const { credential: admin } = await signInAdmin({ auth });

interface Wanted {
  readonly method: string;
  readonly path: string;
  readonly body: object;
  readonly token: string;
}

/** Sends the headers; the body follows when the caller was admitted, `between` has happened, and it is late. */
async function sendBytesLate(
  { method, path, token, type, bytes }: Omit<Wanted, "body"> & { type: string; bytes: Buffer },
  between: () => Promise<unknown>,
): Promise<IncomingMessage> {
  const headers = {
    authorization: `Bearer ${token}`,
    "content-type": type,
    "content-length": bytes.length,
    expect: "100-continue",
  };
  const sending = request(url + path, { method, headers, agent: false });
  const answered = once(sending, "response");
  sending.flushHeaders();
  await once(sending, "continue");
  const admittedAt = performance.now();
  await between();
  await vi.waitUntil(() => performance.now() - admittedAt > lateMs);
  sending.end(bytes);
  const [response] = (await answered) as [IncomingMessage];
  return response;
}

async function sendLate({ body, ...call }: Wanted, between: () => Promise<unknown>) {
  const bytes = Buffer.from(JSON.stringify(body));
  const response = await sendBytesLate({ ...call, type: "application/json", bytes }, between);
  return { status: response.statusCode, answer: await json(response) };
}

/** The messages of a stream's answer, the one that ends it included. */
async function streamLate({ body, ...call }: Wanted, between: () => Promise<unknown>): Promise<unknown[]> {
  const bytes = enveloped(Buffer.from(JSON.stringify(body)));
  const answer = await buffer(await sendBytesLate({ ...call, type: "application/connect+json", bytes }, between));
  const messages: unknown[] = [];
  for (let at = 0; at < answer.length; ) {
    const end = at + 5 + answer.readUInt32BE(at + 1);
    messages.push(JSON.parse(answer.toString("utf8", at + 5, end)));
    at = end;
  }
  return messages;
}

function enveloped(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
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

/** A user with a picture and a job, and the streams that tell of them. */
async function newOwner() {
  const { token, account, credential } = await signIn(server);
  const { imageId, jobId } = await submitJob({ jobs }, credential);
  const call = (name: string, body: object) => ({
    method: "POST",
    path: `/darkroom.imagejob.v1.ImageJobService/${name}`,
    body,
    token,
  });
  return {
    getImage: call("GetImage", { imageId }),
    watchImageJob: call("WatchImageJob", { jobId }),
    disable: () => auth.setUserDisabled({ userId: account?.id ?? "", disabled: true }, admin),
  };
}

test("a stream is answered to whoever is still there when its body comes late", async () => {
  const { getImage } = await newOwner();
  expect(await streamLate(getImage, async () => {})).toMatchObject([{ image: { contentType: "image/png" } }, {}]);
});

test.each(["getImage", "watchImageJob"] as const)(
  "%s tells nothing to a caller who was disabled before its body came",
  async (name) => {
    const { disable, ...calls } = await newOwner();
    expect(await streamLate(calls[name], disable)).toMatchObject([{ error: { code: "unauthenticated" } }]);
  },
);

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

test("an administrator who was demoted before the body came is not told of others' usage", async () => {
  const [{ token, demote }, { account }] = [await newAdmin(), await signIn(server)];
  const path = "/darkroom.imagejob.v1.ImageJobService/GetUsage";
  const wanted = { method: "POST", path, body: { userId: account?.id ?? "" }, token };
  expect(await sendLate(wanted, demote)).toMatchObject({ status: 403, answer: { code: "permission_denied" } });
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
