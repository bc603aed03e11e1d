import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  emailRule,
  identityRule,
  isEmail,
  knownEmailRule,
  metadataRule,
  nameKey,
  newPasswordRule,
  passwordMaxBytes,
  passwordRule,
  usernameRule,
} from "../../src/model/account.ts";

const fine = undefined;
const anything = fc.string({ unit: "binary", maxLength: 400 });

describe("a password to sign in with", () => {
  test.each([
    ["a", fine],
    [" ", fine],
    ["a".repeat(72), fine],
    ["a".repeat(73), "must have at most 72 bytes"],
    ["é".repeat(36), fine],
    [`${"é".repeat(36)}a`, "must have at most 72 bytes"],
    ["🙂".repeat(18), fine],
    [`a${"🙂".repeat(18)}`, "must have at most 72 bytes"],
    [`${"日".repeat(23)}abc`, fine],
    [`${"日".repeat(23)}abcd`, "must have at most 72 bytes"],
    ["", "must not be empty"],
    ["with\0zero", "must not contain a zero byte"],
    ["\0", "must not contain a zero byte"],
    ["half\uD83D", "must be valid UTF-8"],
    ["\uFFFD".repeat(8), "must be valid UTF-8"],
  ])("%j", (password, rule) => expect(passwordRule(password)).toBe(rule));

  test("is refused for its length exactly when bcrypt would cut it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 90 }), (password) => {
        fc.pre(!password.includes("\0") && !password.includes("\uFFFD"));
        expect(passwordRule(password) === undefined).toBe(Buffer.byteLength(password) <= passwordMaxBytes);
      }),
    );
  });
});

describe("a password to be set", () => {
  const rule = (password: string) => newPasswordRule(password, (text) => text === "password1");

  test.each([
    ["7 chars", "must have at least 8 characters"],
    ["8 chars!", fine],
    ["🙂".repeat(7), "must have at least 8 characters"],
    ["🙂".repeat(8), fine],
    ["e\u0301".repeat(4), fine],
    [" ".repeat(8), fine],
    ["Darkroom2026!", "is easy to guess here; choose another"],
    ["--darkroom-admin--", "is easy to guess here; choose another"],
    ["password1", "is one of the most common passwords; choose another"],
    ["Password1", fine],
    ["a".repeat(73), "must have at most 72 bytes"],
    ["12345678\0", "must not contain a zero byte"],
    ["", "must not be empty"],
  ])("%j", (password, expected) => expect(rule(password)).toBe(expected));
});

describe("a username", () => {
  test.each(["abc", "ABC", "a.b", "a_b", "a-b", "...", "0123", "x".repeat(64)])("may be %j", (name) => {
    expect(usernameRule(name)).toBe(fine);
  });

  test.each([
    "",
    "ab",
    "x".repeat(65),
    "a b",
    "a@b",
    "abc\n",
    "\nabc",
    "änna",
    "abc\0",
    "ａｂｃ",
    "a/b",
    "../x",
    "<b>",
  ])("may not be %j", (name) => expect(usernameRule(name)).toMatch(/3 to 64/));

  test("is taken or refused, whatever it is, and those taken are no email address", () => {
    fc.assert(
      fc.property(anything, (name) => {
        if (usernameRule(name) === undefined) expect(isEmail(name)).toBe(false);
      }),
    );
  });
});

describe("an email address", () => {
  test.each([
    "a@b",
    "A.b+c@example.org",
    "ü@bücher.example",
    "日@日.日",
    "'quoted'@x.y",
    `${"a".repeat(64)}@b.c`,
    "a@xn--bcher-kva.example",
    "a@BÜCHER.example",
    "a@faß.example",
    "a@a_b.example",
    "{a|b}%c/d!e@127.0.0.1",
  ])("may be %j", (email) => expect(emailRule(email)).toBe(fine));

  test.each([
    "",
    "@",
    "a@",
    "@b",
    "a",
    "a@b@c",
    "a b@c",
    "a@b c",
    "a@b.",
    "a@.b",
    "a@b..c",
    "a@b\n",
    "\na@b",
    "a\0@b",
    "a@b\u200B",
    "a\u202E@b",
    "a@b\uFFFD",
    "a\uD83D@b",
    `${"a".repeat(65)}@b`,
    `a@${"b".repeat(253)}`,
  ])("may not be %j", (email) => expect(emailRule(email)).toBeDefined());

  test.each([
    ...[
      "<a@b.c>",
      "<<a@b.c",
      "a@b.c>",
      '"a"@b.c',
      "a(b)@c.d",
      "a,b@c.d",
      "a;b@c.d",
      "a:b@c.d",
      "a\\b@c.d",
      "a@[192.0.2.1]",
    ],
    // Fullwidth, a small letter of mathematics, an ideographic full stop, what is not seen, and letters in two pieces.
    ...["a@ｂ.c", "a@𝐛.c", "a@b。c", "a@b\uFE0F.c", "a@b\u034F.c", "a@bu\u0308cher.c"],
    ...["a@%62.c", "a@0x7f.1", "a@b^c.d"],
  ])("may not be %j, which a mail server can take for another, but for who comes with it", (email) => {
    expect(emailRule(email)).toMatch(/must have (none of|its domain)/);
    expect(knownEmailRule(email)).toBe(fine);
  });

  test("may have 254 characters", () => {
    expect(emailRule(`a@${"b".repeat(252)}`)).toBe(fine);
    expect(emailRule(`a@${"🙂".repeat(252)}`)).toBe(fine);
  });

  test("is taken or refused, whatever it is, and those taken are known as one", () => {
    fc.assert(
      fc.property(fc.oneof(anything, fc.emailAddress()), (email) => {
        if (emailRule(email) === undefined) expect(isEmail(email)).toBe(true);
      }),
    );
  });

  test.each([
    `a@${"b.".repeat(50_000)}`,
    `${"a".repeat(100_000)}@`,
    `a@${"b".repeat(100_000)}@`,
    "@".repeat(100_000),
    `a@${".".repeat(100_000)}`,
    `${"a@b.".repeat(60)}!@`,
  ])("is refused without much trying, case %#", (email) => expect(emailRule(email)).toBeDefined());
});

describe("an identity to sign in with", () => {
  test("is any text of 1 to 254 characters", () => {
    for (const text of ["a", "a@b", "not a name", "x".repeat(254)]) expect(identityRule(text)).toBe(fine);
    for (const text of ["", "  ", "x".repeat(255), "\uD83D", "\uFFFD"]) expect(identityRule(text)).toBeDefined();
  });
});

describe("metadata", () => {
  const nested = (levels: number): Record<string, unknown> =>
    JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);
  const levelRule = "must have at most 50 levels, and no key that begins with $, has a zero byte or is _bsontype";

  test.each([
    [{}, fine],
    [{ a: "x".repeat(16_384 - 8) }, fine],
    [{ a: "x".repeat(16_384 - 7) }, "must have at most 16384 bytes as JSON"],
    [{ a: "é".repeat(8192) }, "must have at most 16384 bytes as JSON"],
    [nested(50), fine],
    [nested(51), levelRule],
    [nested(100_000), levelRule],
    [{ a: [[{ $where: 1 }]] }, levelRule],
    [{ "a\0": 1 }, levelRule],
    [{ _bsontype: "x" }, levelRule],
    [{ a: [{ _bsontype: 1 }] }, levelRule],
    [{ a_bsontype: 1, _bsontypes: "_bsontype" }, fine],
    [{ a$: "$where \0", "": null }, fine],
  ])("case %#", (metadata, rule) => expect(metadataRule(metadata)).toBe(rule));
});

describe("a name's key", () => {
  test.each([
    ["Anna", "anna"],
    ["ÄÖÜ", "äöü"],
    ["ÉCOLE@Example.ORG", "école@example.org"],
    ["STRASSE", "strasse"],
    ["straße", "straße"],
    ["IΣ", "iς"],
    ["I", "i"],
  ])("of %j is %j", (name, key) => expect(nameKey(name)).toBe(key));

  test("is its own key", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (name) => nameKey(nameKey(name)) === nameKey(name)));
  });
});
