import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { smtpMailer } from "../../src/adapters/smtp/mailer.ts";
import { bearer } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { recordingLog } from "../support/log.ts";
import { serveMail, tokenIn } from "../support/mail-server.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn, signInAdmin } from "../support/server.ts";

const spent = { code: "InvalidArgument", reason: "TOKEN_INVALID", fields: ["token"] };
const page = "https://app.example/account";

async function opened() {
  const mail = await serveMail();
  const env = { SMTP_URL: mail.url, MAIL_FROM: "darkroom@example.com", MAIL_PAGE_URL: page };
  return { mail, server: await serve(env, { worker: false }) };
}

type Server = Awaited<ReturnType<typeof serve>>;

async function signUp({ auth }: Server, email = `${randomBytes(6).toString("hex")}@example.com`) {
  const password = randomBytes(12).toString("base64url");
  const { account } = await auth.signUp({ email, password });
  const { tokens } = await auth.login({ identity: email, password });
  return { id: account?.id ?? "", email, password, credential: bearer(tokens?.accessToken ?? "") };
}

describe("a forgotten password", () => {
  test("is replaced by a token that is mailed, once, and every session ends", async () => {
    const { mail, server } = await opened();
    const { auth } = server;
    const user = await signUp(server);
    await auth.requestPasswordReset({ email: user.email.toUpperCase() });
    const letter = await mail.mailTo(user.email, "Set a new password");
    expect(letter.from).toBe("darkroom@example.com");
    const token = tokenIn(letter);
    expect(letter.text).toContain(`${page}#token=${token}`);

    expect(await refusal(auth.resetPassword({ token, newPassword: "short" }))).toMatchObject({
      fields: ["new_password"],
    });
    for (const forged of ["", "nonsense", `${token}A`, token.replace(/.$/, (last) => (last === "A" ? "B" : "A"))])
      expect(await refusal(auth.resetPassword({ token: forged, newPassword: "a good new one" }))).toMatchObject(spent);
    await auth.resetPassword({ token, newPassword: "a good new one" });
    expect(await refusal(auth.checkAuth({}, user.credential))).toMatchObject({ reason: "SESSION_ENDED" });
    expect(await refusal(auth.login({ identity: user.email, password: user.password }))).toMatchObject({
      reason: "LOGIN_FAILED",
    });
    await auth.login({ identity: user.email, password: "a good new one" });
    expect(await refusal(auth.resetPassword({ token, newPassword: "another good one" }))).toMatchObject(spent);
    await mail.mailTo(user.email, "Your password was changed");
  });

  test("is answered alike for an address that nobody has, and mailed once in a while", async () => {
    const { mail, server } = await opened();
    const user = await signUp(server);
    const nobody = await server.auth.requestPasswordReset({ email: "nobody@example.com" });
    expect(await server.auth.requestPasswordReset({ email: user.email })).toEqual(nobody);
    await mail.mailTo(user.email, "Set a new password");
    await server.auth.requestPasswordReset({ email: user.email });
    // What comes after it shows that it was looked at.
    const other = await signUp(server);
    await server.auth.requestPasswordReset({ email: other.email });
    await mail.mailTo(other.email, "Set a new password");
    expect(mail.received.map(({ to }) => to)).toEqual([[user.email], [other.email]]);
    expect(await refusal(server.auth.requestPasswordReset({ email: "none" }))).toMatchObject({ fields: ["email"] });
  });

  test("of one token works for one of many who use it at once", async () => {
    const server = await serve({}, { worker: false });
    const user = await signUp(server);
    const { token } = await server.auth.issueUserToken({ userId: user.id }, (await signInAdmin(server)).credential);
    const tries = Array.from({ length: 8 }, (_, index) =>
      server.auth.resetPassword({ token, newPassword: `a good new one ${index}` }).then(
        () => "reset",
        () => "refused",
      ),
    );
    expect((await Promise.all(tries)).filter((answer) => answer === "reset")).toHaveLength(1);
  });

  test("is replaced by a token that an administrator hands out, also after a lock", async () => {
    const server = await serve({}, { worker: false });
    const { auth } = server;
    const user = await signUp(server);
    const { credential: admin } = await signInAdmin(server);
    expect(await refusal(auth.requestPasswordReset({ email: user.email }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "MAIL_NOT_SET_UP",
    });
    for (let tries = 0; tries < 5; tries++) await refusal(auth.login({ identity: user.email, password: "wrong" }));
    const first = await auth.issueUserToken({ userId: user.id }, admin);
    const { token, expireTime } = await auth.issueUserToken({ userId: user.id }, admin);
    expect(Number(expireTime?.seconds) - Date.now() / 1000).toBeGreaterThan(3500);
    expect(await refusal(auth.resetPassword({ token: first.token, newPassword: "a good new one" }))).toMatchObject(
      spent,
    );
    await auth.resetPassword({ token, newPassword: "a good new one" });
    await auth.login({ identity: user.email, password: "a good new one" });
    expect(await refusal(auth.issueUserToken({ userId: "nobody" }, admin))).toMatchObject({ reason: "USER_NOT_FOUND" });
  });
});

test("whoever has an address hears there that their password was changed", async () => {
  const { mail, server } = await opened();
  const { email, password, credential } = await signUp(server);
  await server.auth.changePassword({ oldPassword: password, newPassword: "a good new one" }, credential);
  await mail.mailTo(email, "Your password was changed");
});

describe("a new address", () => {
  test("counts once it is confirmed, and the old one hears of it", async () => {
    const { mail, server } = await opened();
    const { auth } = server;
    const user = await signUp(server);
    const email = "New.Address@example.com";
    const ask = (password: string) => auth.requestEmailChange({ email, password }, user.credential);
    expect(await refusal(ask("wrong"))).toMatchObject({ code: "Unauthenticated", reason: "PASSWORD_WRONG" });
    await ask(user.password);
    const again = await refusal(ask(user.password));
    expect(again).toMatchObject({ reason: "MAILED_ALREADY" });
    expect(again.metadata.get("retry-after")).toBe("60");
    const token = tokenIn(await mail.mailTo(email, "Confirm this address"));
    expect(await refusal(auth.login({ identity: email, password: user.password }))).toMatchObject({
      reason: "LOGIN_FAILED",
    });
    // Each kind of token does its own work alone.
    expect(await refusal(auth.resetPassword({ token, newPassword: "a good new one" }))).toMatchObject(spent);
    expect((await auth.confirmEmailChange({ token })).account?.email).toBe(email);
    await auth.login({ identity: email.toLowerCase(), password: user.password });
    expect(await refusal(auth.confirmEmailChange({ token }))).toMatchObject(spent);
    await mail.mailTo(user.email, "Your address was changed");
    await signUp(server, user.email);
  });

  test("that another has is told to its owner alone", async () => {
    const { mail, server } = await opened();
    const [user, other] = [await signUp(server), await signUp(server)];
    await server.auth.requestEmailChange({ email: other.email, password: user.password }, user.credential);
    const letter = await mail.mailTo(other.email, "This address has an account already");
    expect(tokenIn(letter)).toBe("no token");
  });

  test("by an administrator's token is refused where somebody took it meanwhile", async () => {
    const server = await serve({}, { worker: false });
    const user = await signUp(server);
    const { credential: admin } = await signInAdmin(server);
    expect(await refusal(server.auth.issueUserToken({ userId: user.id, email: "none" }, admin))).toMatchObject({
      fields: ["email"],
    });
    const { token } = await server.auth.issueUserToken({ userId: user.id, email: "soon@example.com" }, admin);
    await signUp(server, "Soon@example.com");
    expect(await refusal(server.auth.confirmEmailChange({ token }))).toMatchObject({
      code: "AlreadyExists",
      fields: ["email"],
    });
  });
});

describe("tokens that are out", () => {
  async function issued() {
    const server = await serve({}, { worker: false });
    const user = await signUp(server);
    const { credential: admin } = await signInAdmin(server);
    const issue = async (email = "") => (await server.auth.issueUserToken({ userId: user.id, email }, admin)).token;
    const { auth } = server;
    return {
      auth,
      user,
      admin,
      reset: await issue(),
      change: await issue("another@example.com"),
      useReset: (token: string) => auth.resetPassword({ token, newPassword: "a good new one" }),
      useChange: (token: string) => auth.confirmEmailChange({ token }),
    };
  }

  test("are spent by a new password", async () => {
    const { auth, user, reset, change, useReset, useChange } = await issued();
    await auth.changePassword({ oldPassword: user.password, newPassword: "another good one" }, user.credential);
    expect(await refusal(useReset(reset))).toMatchObject(spent);
    expect(await refusal(useChange(change))).toMatchObject(spent);
  });

  test("are spent by one that sets a new password", async () => {
    const { reset, change, useReset, useChange } = await issued();
    await useReset(reset);
    expect(await refusal(useChange(change))).toMatchObject(spent);
  });

  test("are spent by disabling the account, also once it is enabled again", async () => {
    const { auth, user, admin, reset, change, useReset, useChange } = await issued();
    for (const disabled of [true, false]) await auth.setUserDisabled({ userId: user.id, disabled }, admin);
    expect(await refusal(useReset(reset))).toMatchObject(spent);
    expect(await refusal(useChange(change))).toMatchObject(spent);
    await auth.login({ identity: user.email, password: user.password });
  });

  test("of a disabled account work once it is enabled again, and not before", async () => {
    const { auth, user, admin, useReset } = await issued();
    await auth.setUserDisabled({ userId: user.id, disabled: true }, admin);
    const { token } = await auth.issueUserToken({ userId: user.id }, admin);
    expect(await refusal(useReset(token))).toMatchObject(spent);
    await auth.setUserDisabled({ userId: user.id, disabled: false }, admin);
    await useReset(token);
  });

  test("and went to an address are spent when it is no more the account's", async () => {
    const { reset, change, useReset, useChange } = await issued();
    await useChange(change);
    expect(await refusal(useReset(reset))).toMatchObject(spent);
  });
});

test("an address that holds more than one, as of who was imported, reaches one", async () => {
  const { url, mailTo } = await serveMail();
  const mailer = smtpMailer({ url, from: "darkroom@example.com" });
  onTestFinished(() => mailer.close());
  await mailer.send({ to: "a,b@example.com", subject: "Hello", text: "" });
  expect((await mailTo("a,b@example.com", "Hello")).to).toEqual(["a,b@example.com"]);
});

test("one mailbox is not asked to write to by other spellings", async () => {
  const { mail, server } = await opened();
  const { credential, password } = await signUp(server);
  const ask = (email: string) => server.auth.requestEmailChange({ email, password }, credential);
  for (const email of ["<victim@example.com>", "victim@example.com>", '"victim"@example.com', "victim@ｅxample.com"])
    expect(await refusal(ask(email))).toMatchObject({ code: "InvalidArgument", fields: ["email"] });
  await ask("victim@example.com");
  await mail.mailTo("victim@example.com", "Confirm this address");
  expect(mail.received).toHaveLength(1);
});

test("a mail server that is away stops nobody, and the log alone says so", async () => {
  const server = await serve({ SMTP_URL: "smtp://127.0.0.1:1", MAIL_FROM: "darkroom@example.com" }, { worker: false });
  const user = await signUp(server);
  await server.auth.requestPasswordReset({ email: user.email });
  await server.auth.checkAuth({}, user.credential);
  await server.app.stop();
});

test("a server that stops waits 5 s for a mail server that comes to no end, and says so", async () => {
  const greeted = Promise.withResolvers<void>();
  const mailServer = createServer((socket) => {
    socket.write("220 slow\r\n");
    socket.once("data", () => {
      greeted.resolve();
      const more = setInterval(() => socket.write("250-more\r\n"), 100);
      socket.on("error", () => {}).once("close", () => clearInterval(more));
      onTestFinished(() => void socket.destroy());
    });
  });
  onTestFinished(() => void mailServer.close());
  await once(mailServer.listen(0, "127.0.0.1"), "listening");
  const env = {
    SMTP_URL: `smtp://127.0.0.1:${(mailServer.address() as AddressInfo).port}`,
    MAIL_FROM: "darkroom@example.com",
  };
  const log = recordingLog();
  const server = await serve(env, { worker: false, log });
  const user = await signUp(server);
  await server.auth.requestPasswordReset({ email: user.email });
  await greeted.promise;
  await server.app.stop();
  const errors = log.lines.filter(({ level }) => level === "error");
  expect(errors).toMatchObject([{ fields: { waiting: 1 }, message: "a mail could not be sent" }]);
});

test.each<[string, Record<string, string>]>([
  ["MAIL_FROM", { SMTP_URL: "smtps://mail.example.com" }],
  ["MAIL_FROM", { SMTP_URL: "smtps://mail.example.com", MAIL_FROM: "Darkroom <darkroom@example.com>" }],
  ["SMTP_URL", { SMTP_URL: "smtps:mail.example.com", MAIL_FROM: "darkroom@example.com" }],
  ["SMTP_URL", { SMTP_URL: "https://mail.example.com", MAIL_FROM: "darkroom@example.com" }],
  // A part of a password that is not percent-encoded.
  ["SMTP_URL", { SMTP_URL: "smtps://mail.example.com/#word@mail.example.com", MAIL_FROM: "darkroom@example.com" }],
  ...["javascript:alert(1)", "app.example/account", `${page}#reset`].map(
    (MAIL_PAGE_URL): [string, Record<string, string>] => [
      "MAIL_PAGE_URL",
      { SMTP_URL: "smtps://mail.example.com", MAIL_FROM: "darkroom@example.com", MAIL_PAGE_URL },
    ],
  ),
  ["MAIL_PAGE_URL", { MAIL_PAGE_URL: page }],
])("mail that could not be sent, or would lead nowhere, is refused at the start: %s in %j", (variable, env) => {
  expect(() => readServerConfig(env)).toThrow(new RegExp(`^${variable}: must be `));
});

test("a user's own name can be changed to one that is free", async () => {
  const server = await serve({}, { worker: false });
  const [user, other] = [await signIn(server), await signIn(server)];
  const rename = (username: string) => server.auth.updateProfile({ username }, user.credential);
  expect(await refusal(rename("a b"))).toMatchObject({ code: "InvalidArgument", fields: ["username"] });
  expect(await refusal(rename(other.username.toUpperCase()))).toMatchObject({
    code: "AlreadyExists",
    fields: ["username"],
  });
  const username = `renamed-${randomBytes(4).toString("hex")}`;
  expect((await rename(username)).account?.username).toBe(username);
  const { principal } = await server.auth.checkAuth({}, user.credential);
  expect(principal?.account?.username).toBe(username);
  await server.auth.login({ identity: username, password: user.password });
});
