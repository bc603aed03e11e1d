import bcrypt from "bcrypt";
import { expect, onTestFinished, test, vi } from "vitest";
import { Role } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { refusal, refusalOf } from "../support/refusals.ts";
import { signIn, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const mail = { SMTP_URL: "smtp://127.0.0.1:1", MAIL_FROM: "darkroom@example.com" };
const server = await shareServer(mail, { worker: false });
const { url, auth } = server;
const { credential: admin } = await signInAdmin({ auth });
const newPassword = "another good one";

type Held = "hash" | "compare";
type User = Awaited<ReturnType<typeof signIn>>;

/** Makes the call, and lets the hash that it waits for go on when `between` has happened. */
async function whileHeld<Answer>(held: Held, call: () => Promise<Answer>, between: () => Promise<unknown>) {
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const real = bcrypt[held] as (...args: unknown[]) => Promise<never>;
  const spy = vi.spyOn(bcrypt, held).mockImplementationOnce(async (...args: unknown[]) => {
    begun.resolve();
    await gate.promise;
    return real(...args);
  });
  onTestFinished(() => spy.mockRestore());
  const answer = call();
  await begun.promise;
  await between().finally(gate.resolve);
  return answer;
}

function send(method: string, path: string, token: string, body: object): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return fetch(url + path, { method, headers, body: JSON.stringify(body) });
}

const refusedStatus = async (response: Promise<Response>) => ({ status: (await response).status });

const ended = { code: "Unauthenticated", reason: "SESSION_ENDED" };
const own: [string, Held, (user: User) => Promise<object>, object][] = [
  [
    "ChangePassword",
    "hash",
    ({ password, credential }) => refusal(auth.changePassword({ oldPassword: password, newPassword }, credential)),
    ended,
  ],
  [
    "RequestEmailChange",
    "compare",
    ({ password, credential }) =>
      refusal(auth.requestEmailChange({ email: "another@example.com", password }, credential)),
    ended,
  ],
  [
    "DeleteProfile",
    "compare",
    ({ password, credential }) => refusal(auth.deleteProfile({ password }, credential)),
    ended,
  ],
  [
    "PocketBase's change of a record",
    "hash",
    async ({ token, password }) => {
      const headers = { authorization: `Bearer ${token}` };
      const listed = await fetch(`${url}/api/collections/users/records`, { headers });
      const { items } = (await listed.json()) as { items: { id: string }[] };
      const wanted = { oldPassword: password, password: newPassword, passwordConfirm: newPassword };
      return refusedStatus(send("PATCH", `/api/collections/users/records/${items[0]?.id}`, token, wanted));
    },
    // As to anybody who is not signed in.
    { status: 404 },
  ],
];

test.each(own)("%s is not carried out for a session that ended while it waited", async (_, held, call, refused) => {
  const user = await signIn(server);
  const { tokens } = await auth.login({ identity: user.username, password: user.password });
  const revoke = () => auth.revokeOtherSessions({}, bearer(tokens?.accessToken ?? ""));
  expect(await whileHeld(held, () => call(user), revoke)).toMatchObject(refused);
  await auth.login({ identity: user.username, password: user.password });
});

test("a password that Supabase's callers change without the old one is not, once their session has ended", async () => {
  const [email, password] = ["waiting@example.com", "a good old one"];
  await auth.signUp({ email, password });
  const signedIn = await send("POST", "/auth/v1/token?grant_type=password", "", { email, password });
  const { access_token } = (await signedIn.json()) as { access_token: string };
  const { tokens } = await auth.login({ identity: email, password });
  const change = () => refusedStatus(send("PUT", "/auth/v1/user", access_token, { password: newPassword }));
  const revoke = () => auth.revokeOtherSessions({}, bearer(tokens?.accessToken ?? ""));
  expect(await whileHeld("hash", change, revoke)).toEqual({ status: 403 });
  await auth.login({ identity: email, password });
});

test("a password is not changed of an account that was disabled meanwhile", async () => {
  const { account, username, password, credential } = await signIn(server);
  const set = (disabled: boolean) => auth.setUserDisabled({ userId: account?.id ?? "", disabled }, admin);
  const change = () => refusal(auth.changePassword({ oldPassword: password, newPassword }, credential));
  expect(await whileHeld("hash", change, () => set(true))).toMatchObject({ code: "Unauthenticated" });
  await set(false);
  await auth.login({ identity: username, password });
});

test.each([
  [
    "RequestEmailChange",
    ({ password, credential }: User) => auth.requestEmailChange({ email: "another@example.com", password }, credential),
  ],
  ["DeleteProfile", ({ password, credential }: User) => auth.deleteProfile({ password }, credential)],
])("%s is not carried out by a password that was changed while it waited", async (_, call) => {
  const user = await signIn(server);
  const change = () => auth.changePassword({ oldPassword: user.password, newPassword }, user.credential);
  const refused = await whileHeld("compare", () => refusal(call(user)), change);
  expect(refused).toMatchObject({ code: "Unauthenticated", reason: "PASSWORD_WRONG" });
  await auth.login({ identity: user.username, password: newPassword });
});

test("an address that Supabase's callers ask for is not mailed by a password that was changed while it waited", async () => {
  const { password, token, credential } = await signIn(server);
  const change = () => auth.changePassword({ oldPassword: password, newPassword }, credential);
  const body = { email: "supabase@example.com", current_password: password };
  const response = await whileHeld("compare", () => send("PUT", "/auth/v1/user", token, body), change);
  expect(response.status).toBe(400);
});

const invalid = { reason: "CREDENTIAL_INVALID" };
const administrative: [string, (of: { token: string; clientId: string }) => Promise<object>][] = [
  [
    "CreateUser",
    ({ token }) =>
      refusal(auth.createUser({ username: "accomplice", password: newPassword, role: Role.ADMIN }, bearer(token))),
  ],
  ["CreateClient", ({ token }) => refusal(auth.createClient({ client: { name: "accomplice" } }, bearer(token)))],
  ["RegenerateClientKey", ({ token, clientId }) => refusal(auth.regenerateClientKey({ clientId }, bearer(token)))],
  [
    "the old relay's making of a client",
    async ({ token }) => refusalOf(await send("POST", "/admin/clients", token, { name: "accomplice" })),
  ],
  [
    "the old relay's new key",
    async ({ token, clientId }) =>
      refusalOf(await send("POST", `/admin/clients/${clientId}/regenerate-key`, token, {})),
  ],
];

test.each(administrative)("%s is not carried out for who is no administrator any more", async (_, call) => {
  const { token, account } = await signIn(server);
  const setRole = (role: Role) => auth.setUserRole({ userId: account?.id ?? "", role }, admin);
  await setRole(Role.ADMIN);
  const { client, apiKey } = await auth.createClient({ client: { name: "a" } }, admin);
  const refused = await whileHeld(
    "hash",
    () => call({ token, clientId: client?.id ?? "" }),
    () => setRole(Role.USER),
  );
  expect(refused).toMatchObject(invalid);
  await auth.exchangeApiKey({ apiKey });
  const [{ users }, { clients }] = [await auth.listUsers({}, admin), await auth.listClients({}, admin)];
  expect([...users.map(({ username }) => username), ...clients.map(({ name }) => name)]).not.toContain("accomplice");
  await auth.checkAuth({}, bearer(token));
});
