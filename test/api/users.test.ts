import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Role } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { refusal } from "../support/refusals.ts";
import { signIn, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({ SIGNUP_ENABLED: "true" }, { worker: false });
const { auth } = server;
const { credential: admin, account: first } = await signInAdmin(server);
const adminId = first?.id ?? "";

const ended = { code: "Unauthenticated", reason: "SESSION_ENDED" };
const newPassword = () => randomBytes(12).toString("base64url");

async function logIn(identity: string, password: string) {
  const { tokens, sessionToken } = await auth.login({ identity, password, sessionToken: true });
  return { credential: bearer(tokens?.accessToken ?? ""), refreshToken: tokens?.refreshToken ?? "", sessionToken };
}

describe("sessions", () => {
  test("are listed, the newest first, with the one that calls marked", async () => {
    const user = await signIn(server);
    const second = await logIn(user.username, user.password);
    const { sessions } = await auth.listSessions({}, second.credential);
    expect(sessions.map(({ current }) => current).toSorted()).toEqual([false, true]);
    expect(sessions.every(({ address, userAgent }) => address !== "" && userAgent !== "")).toBe(true);
  });

  test("are ended one by one by their owner alone", async () => {
    const [user, other] = [await signIn(server), await signIn(server)];
    const second = await logIn(user.username, user.password);
    const { sessions } = await auth.listSessions({}, user.credential);
    const sessionId = sessions.find(({ current }) => !current)?.id ?? "";
    for (const id of [sessionId, "nothing", ""]) {
      expect(await refusal(auth.revokeSession({ sessionId: id }, other.credential))).toMatchObject({
        reason: "SESSION_NOT_FOUND",
      });
    }
    await auth.checkAuth({}, second.credential);
    await auth.revokeSession({ sessionId }, user.credential);
    expect(await refusal(auth.checkAuth({}, second.credential))).toMatchObject(ended);
    expect(await refusal(auth.refreshToken({ refreshToken: second.refreshToken }))).toMatchObject({
      reason: "REFRESH_TOKEN_INVALID",
    });
    await auth.checkAuth({}, user.credential);
  });

  test("are ended all but the one that asks", async () => {
    const user = await signIn(server);
    const others = [await logIn(user.username, user.password), await logIn(user.username, user.password)];
    for (const { credential } of others) await auth.checkAuth({}, credential);
    expect((await auth.revokeOtherSessions({}, user.credential)).revoked).toBe(2);
    for (const { credential } of others) expect(await refusal(auth.checkAuth({}, credential))).toMatchObject(ended);
    await auth.checkAuth({}, user.credential);
  });

  test("give a session token when asked, which Validate takes and no call does", async () => {
    const user = await signIn(server);
    const { sessionToken, credential } = await logIn(user.username, user.password);
    const validate = async (token: string) => (await auth.validate({ credential: token })).principal?.account?.username;
    expect(await validate(sessionToken)).toBe(user.username);
    expect(await refusal(auth.checkAuth({}, bearer(sessionToken)))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
    const swapped = sessionToken.slice(0, -3) + (sessionToken.endsWith("AAA") ? "BBB" : "AAA");
    for (const forged of [swapped, `${sessionToken}A`, sessionToken.slice(0, -1), "ds_", "ds_a_b"]) {
      expect(await validate(forged)).toBeUndefined();
    }
    await auth.logout({}, credential);
    expect(await validate(sessionToken)).toBeUndefined();
    const { sessionToken: none } = await auth.login({ identity: user.username, password: user.password });
    expect(none).toBe("");
  });
});

describe("changing the password", () => {
  test("ends the other sessions and the old password, and keeps the session that asks", async () => {
    const user = await signIn(server);
    const other = await logIn(user.username, user.password);
    await auth.checkAuth({}, other.credential);
    const password = newPassword();
    await auth.changePassword({ oldPassword: user.password, newPassword: password }, user.credential);
    expect(await refusal(auth.checkAuth({}, other.credential))).toMatchObject(ended);
    await auth.checkAuth({}, user.credential);
    expect(await refusal(logIn(user.username, user.password))).toMatchObject({ reason: "LOGIN_FAILED" });
    await logIn(user.username, password);
  });

  test("needs the old one and a good new one, and changes nothing without", async () => {
    const user = await signIn(server);
    const change = (oldPassword: string, wanted: string) =>
      refusal(auth.changePassword({ oldPassword, newPassword: wanted }, user.credential));
    expect(await change("not the old one", newPassword())).toMatchObject({ reason: "PASSWORD_WRONG" });
    for (const wanted of ["short", "password123", "é".repeat(37)]) {
      expect(await change(user.password, wanted)).toMatchObject({ fields: ["new_password"] });
    }
    expect(await change("", "")).toMatchObject({ fields: ["old_password", "new_password"] });
    await logIn(user.username, user.password);
  });

  test("by two at once succeeds for one", async () => {
    const user = await signIn(server);
    const wanted = [newPassword(), newPassword()];
    const settled = await Promise.allSettled(
      wanted.map((password) =>
        auth.changePassword({ oldPassword: user.password, newPassword: password }, user.credential),
      ),
    );
    const won = settled.findIndex(({ status }) => status === "fulfilled");
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await logIn(user.username, wanted[won] ?? "");
  });
});

describe("an administrator", () => {
  test("finds accounts by what their name or address begins with, page by page", async () => {
    const prefix = `zz${randomBytes(4).toString("hex")}`;
    const names = ["c", "a", "b"].map((letter) => `${prefix}-${letter}`);
    for (const username of names) {
      await auth.createUser({ username, email: `${username}@Example.com`, password: newPassword() }, admin);
    }
    const page = await auth.listUsers({ query: prefix.toUpperCase(), pageSize: 2 }, admin);
    const rest = await auth.listUsers({ query: prefix, pageSize: 2, pageToken: page.nextPageToken }, admin);
    expect([...page.users, ...rest.users].map(({ username }) => username)).toEqual(names.toSorted());
    expect(rest.nextPageToken).toBe("");
    const byAddress = await auth.listUsers({ query: `${prefix}-b@EXAMPLE` }, admin);
    expect(byAddress.users.map(({ username }) => username)).toEqual([`${prefix}-b`]);
    expect(await refusal(auth.listUsers({ pageToken: "%" }, admin))).toMatchObject({ fields: ["page_token"] });
    expect(await refusal(auth.listUsers({ query: "x".repeat(255) }, admin))).toMatchObject({ fields: ["query"] });
  });

  test("shuts an account out at its next call, and lets it log in again later", async () => {
    const user = await signIn(server);
    await auth.checkAuth({}, user.credential);
    const id = user.account?.id ?? "";
    expect((await auth.setUserDisabled({ userId: id, disabled: true }, admin)).user?.disabled).toBe(true);
    expect(await refusal(auth.checkAuth({}, user.credential))).toMatchObject({ code: "Unauthenticated" });
    expect(await refusal(logIn(user.username, user.password))).toMatchObject({ reason: "LOGIN_FAILED" });
    await auth.setUserDisabled({ userId: id, disabled: false }, admin);
    expect(await refusal(auth.checkAuth({}, user.credential))).toMatchObject(ended);
    await logIn(user.username, user.password);
  });

  test("makes another one, whose role counts at the next call", async () => {
    const user = await signIn(server);
    const userId = user.account?.id ?? "";
    const denied = { code: "PermissionDenied", reason: "NOT_ALLOWED" };
    expect(await refusal(auth.getUser({ userId }, user.credential))).toMatchObject(denied);
    await auth.setUserRole({ userId, role: Role.ADMIN }, admin);
    expect((await auth.getUser({ userId }, user.credential)).user?.role).toBe(Role.ADMIN);
    await auth.setUserRole({ userId, role: Role.USER }, admin);
    expect(await refusal(auth.getUser({ userId }, user.credential))).toMatchObject(denied);
    expect(await refusal(auth.setUserRole({ userId }, admin))).toMatchObject({ fields: ["role"] });
  });

  test("who is the last one stays", async () => {
    const last = { code: "FailedPrecondition", reason: "LAST_ADMIN" };
    expect(await refusal(auth.setUserDisabled({ userId: adminId, disabled: true }, admin))).toMatchObject(last);
    expect(await refusal(auth.setUserRole({ userId: adminId, role: Role.USER }, admin))).toMatchObject(last);
    await auth.setUserDisabled({ userId: adminId, disabled: false }, admin);
    await auth.setUserRole({ userId: adminId, role: Role.ADMIN }, admin);
    await auth.checkAuth({}, admin);
  });

  test("who is the last one that can sign in stays", async () => {
    const userId = (await signIn(server)).account?.id ?? "";
    await auth.setUserRole({ userId, role: Role.ADMIN }, admin);
    await auth.setUserDisabled({ userId, disabled: true }, admin);
    const refused = await refusal(auth.setUserDisabled({ userId: adminId, disabled: true }, admin));
    expect(refused).toMatchObject({ code: "FailedPrecondition", reason: "LAST_ADMIN" });
    await auth.setUserRole({ userId, role: Role.USER }, admin);
  });

  test("is told of an account that is not there", async () => {
    for (const userId of ["", "nobody", "../admin", crypto.randomUUID()]) {
      const missing = { code: "NotFound", reason: "USER_NOT_FOUND" };
      expect(await refusal(auth.getUser({ userId }, admin))).toMatchObject(missing);
      expect(await refusal(auth.setUserDisabled({ userId, disabled: true }, admin))).toMatchObject(missing);
    }
  });

  test("may be a service with the scope for it", async () => {
    const { apiKey } = await auth.createClient({ client: { name: "operator", scopes: ["admin"] } }, admin);
    expect((await auth.getUser({ userId: adminId }, bearer(apiKey))).user?.username).toBe("admin");
  });
});
