import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DomainError } from "../../src/model/errors.ts";
import { decodeCursor, decodeKey, encodeCursor, pageSize } from "../../src/model/page.ts";
import { thrownBy } from "./thrown.ts";

const ids = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const cursors = fc.record({ createdAt: fc.integer({ min: 0, max: 999_999_999_999_999 }), id: ids });

const base64 = (text: string) => Buffer.from(text).toString("base64url");

describe("a page token", () => {
  test("comes back as the cursor it was made of", () => {
    fc.assert(fc.property(cursors, (cursor) => void expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor)));
  });

  test("is safe in an address", () => {
    fc.assert(fc.property(cursors, (cursor) => void expect(encodeCursor(cursor)).toMatch(/^[A-Za-z0-9_-]+$/)));
  });

  test("has one spelling, is UTF-8, and is no longer than any that is given out", () => {
    for (const token of ["!", "YQ=", "YR", "_w", base64("x".repeat(1501))])
      expect(thrownBy(() => decodeKey(token))).toMatchObject({ violations: [{ field: "page_token" }] });
    expect(decodeKey(base64("x".repeat(1500)))).toBe("x".repeat(1500));
  });

  test("is none when it is empty", () => expect(decodeCursor("")).toBeUndefined());

  test.each([
    "x",
    " ",
    "\0",
    "page 2",
    "日本語",
    base64("1770091506789"),
    base64("1770091506789."),
    base64(".id"),
    base64("-1.id"),
    base64("1.5.id"),
    base64("1e3.id"),
    base64("NaN.id"),
    base64("1234567890123456.id"),
    base64(`1.${"x".repeat(65)}`),
    base64("1.a b"),
    base64("1.id\n"),
    base64("1.é"),
    base64('1.id"}'),
    "A".repeat(100_000),
  ])("is refused when it is garbage: %j", (token) => expectRefused(token));

  test("is refused or read, whatever it is", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[A-Za-z0-9+/=]{0,120}$/)), (token) => {
        try {
          const cursor = decodeCursor(token);
          if (token !== "") expect(Number.isSafeInteger(cursor?.createdAt)).toBe(true);
        } catch {
          expectRefused(token);
        }
      }),
    );
  });

  function expectRefused(token: string): void {
    const error = thrownBy(() => decodeCursor(token));
    expect(error).toBeInstanceOf(DomainError);
    expect(error).toMatchObject({ code: "invalid_argument", violations: [{ field: "page_token" }] });
  }
});

describe("a page's size", () => {
  test.each([
    [0, 50],
    [1, 1],
    [100, 100],
  ])("of %d is %d", (requested, size) => expect(pageSize(requested)).toBe(size));

  test.each([-1, 101, 2 ** 31 - 1])("may not be %d", (requested) => {
    expect(thrownBy(() => pageSize(requested))).toMatchObject({ violations: [{ field: "page_size" }] });
  });
});
