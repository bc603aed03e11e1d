import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { serveMail } from "../support/mail-server.ts";
import { refusal, refusalOf } from "../support/refusals.ts";
import { serve } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { auth } = server;
const newName = () => `name-${randomBytes(5).toString("hex")}`;
const goodPassword = "correct pony battery";
const failed = { code: "Unauthenticated", reason: "LOGIN_FAILED" };

async function signUp(password: string): Promise<(attempt: string) => Promise<unknown>> {
  const username = newName();
  await auth.signUp({ username, password });
  return (attempt) => auth.login({ identity: username, password: attempt });
}

/** Characters that a client's library may not let through. */
async function post(procedure: string, body: string) {
  const response = await fetch(`${server.url}/darkroom.auth.v1.AuthService/${procedure}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  return refusalOf(response);
}

describe("a password", () => {
  test.each([
    ["composed", "caf\u00e9 noir", "cafe\u0301 noir"],
    ["of compatible letters", "\ufb01le cabinet", "file cabinet"],
    ["of wide letters", "\uff41bcdefgh", "abcdefgh!"],
    ["in one case", "Straße nach Süden", "STRASSE NACH SÜDEN"],
    ["with a blank", "two words here", "two\u00a0words here"],
    ["with a joiner", "\u{1f469}\u200d\u{1f680} to the moon", "\u{1f469}\u{1f680} to the moon"],
    ["with a variation selector", "heart \u2764\ufe0f red", "heart \u2764 red"],
    ["with blanks around", " padded one ", "padded one"],
  ])("%s is itself alone", async (_what, password, other) => {
    const login = await signUp(password);
    expect(await refusal(login(other))).toMatchObject(failed);
    await login(password);
  });

  test.each([
    ["emoji", "\u{1f642}".repeat(18)],
    ["letters of two bytes", "\u03b1".repeat(36)],
    ["letters of three bytes", "\u65e5".repeat(24)],
    ["letters of one", "x1".repeat(36)],
  ])("has 72 bytes at most, in %s, and each of them counts", async (_what, longest) => {
    expect(Buffer.byteLength(longest)).toBe(72);
    const login = await signUp(longest);
    expect(await refusal(login([...longest].slice(0, -1).join("")))).toMatchObject(failed);
    await login(longest);
    const fields = ["password"];
    expect(await refusal(login(`${longest}x`))).toMatchObject({ code: "InvalidArgument", fields });
    expect(await refusal(auth.signUp({ username: newName(), password: `${longest}x` }))).toMatchObject({
      code: "InvalidArgument",
      fields,
    });
  });

  test.each([
    // No message can have half a character, so that no rule is asked.
    ["half a character", String.raw`pass\ud83dword 1`, []],
    ["the other half", String.raw`pass\ude42word 1`, []],
    ["halves the wrong way round", String.raw`\ude42\ud83d word 1`, []],
    ["a replacement character", String.raw`pass\ufffdword 1`, ["password"]],
    ["a zero byte", String.raw`pass\u0000word 1`, ["password"]],
  ])("with %s is refused where it is set and where it is tried", async (_what, password, fields) => {
    const refused = { status: 400, code: "invalid_argument", fields };
    expect(await post("SignUp", `{"username":"${newName()}","password":"${password}"}`)).toMatchObject(refused);
    expect(await post("Login", `{"identity":"${newName()}","password":"${password}"}`)).toMatchObject(refused);
  });
});

describe("a name", () => {
  test.each([
    ["Cyrillic letters that look alike", "\u0430dmin"],
    ["wide letters", "\uff41dmin"],
    ["a combining mark", "a\u0301dmin"],
    ["a letter that becomes one of ours in lower case", "\u212aelvin"],
    ["an invisible character", "ad\u200bmin"],
    ["text that runs the other way", "\u202enimda"],
    ["a control character", "ad\u0007min"],
    ["an emoji", "admin\u{1f642}"],
  ])("with %s is none", async (_what, username) => {
    expect(await refusal(auth.signUp({ username, password: goodPassword }))).toMatchObject({
      code: "InvalidArgument",
      fields: ["username"],
    });
    expect(await refusal(auth.login({ identity: username, password: goodPassword }))).toMatchObject(failed);
  });

  test.each(["a\u200b@example.com", "a\u202e@example.com", "a@exa\u0000mple.com", "a@\u2028example.com"])(
    "is no address with what nobody sees: %j",
    async (email) => {
      expect(await refusal(auth.signUp({ email, password: goodPassword }))).toMatchObject({ fields: ["email"] });
    },
  );

  test("with half a character is refused, and is not another's", async () => {
    const halves = String.raw`{"identity":"a\ud83d@example.com","password":"${goodPassword}"}`;
    expect(await post("Login", halves)).toMatchObject({ status: 400, code: "invalid_argument" });
  });

  test("that becomes another's in lower case is taken, and letters go to the address as its owner wrote it", async () => {
    const mail = await serveMail();
    const env = { SMTP_URL: mail.url, MAIL_FROM: "darkroom@example.com" };
    const { auth } = await serve(env, { worker: false });
    const owner = "kim@example.com";
    await auth.signUp({ email: owner, password: goodPassword });
    const lookalike = "\u212aim@example.com";
    expect(await refusal(auth.signUp({ email: lookalike, password: goodPassword }))).toMatchObject({
      reason: "ACCOUNT_EXISTS",
    });
    await auth.requestPasswordReset({ email: lookalike });
    expect((await mail.mailTo(owner, "Set a new password")).to).toEqual([owner]);
    expect(mail.received).toHaveLength(1);
  });
});
