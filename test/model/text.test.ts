import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { integerRule, rangeRule, textRule, utf8Length } from "../../src/model/text.ts";

const fine = undefined;
const emoji = "🙂";
const family = "👩‍👩‍👧‍👦";

describe("a text's rule", () => {
  test.each([
    ["a", fine],
    ["aaa", fine],
    ["aaaa", "must have at most 3 characters"],
    [emoji.repeat(3), fine],
    [emoji.repeat(4), "must have at most 3 characters"],
    [`aa${emoji}`, fine],
    [`aaa${emoji}`, "must have at most 3 characters"],
    ["e\u0301e", fine],
    ["e\u0301e\u0301", "must have at most 3 characters"],
    [family, "must have at most 3 characters"],
    ["", "must not be empty"],
    ["   ", "must not be empty"],
    ["\n\t\u00A0", "must not be empty"],
    ["\0", fine],
    ["\uD83D", "must be valid UTF-8"],
    ["\uDE42a", "must be valid UTF-8"],
    ["a\uFFFDb", "must be valid UTF-8"],
  ])("for %j of 1 to 3 characters", (text, rule) => {
    expect(textRule(text, { min: 1, max: 3 })).toBe(rule);
  });

  test("minds emptiness only when there must be something", () => {
    expect(textRule("", { min: 0, max: 3 })).toBe(fine);
    expect(textRule("   ", { min: 0, max: 3 })).toBe(fine);
  });

  test.each(["a", emoji])("counts code points for the least as for the most: %j", (text) => {
    expect(textRule(text, { min: 2, max: 3 })).toBe("must have at least 2 characters");
  });

  test("counts code points, whatever the text is made of", () => {
    const points = fc.array(fc.constantFrom("a", emoji, "é", "\u0301", "日", "\u{10FFFD}"), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(points, fc.integer({ min: 1, max: 40 }), (parts, max) => {
        const text = parts.join("");
        expect(textRule(text, { min: 1, max }) === undefined).toBe(parts.length <= max);
      }),
    );
  });

  test("refuses a text much longer than it may be", () => {
    for (const each of ["a", emoji]) {
      expect(textRule(each.repeat(1_000_000), { min: 1, max: 4000 })).toBe("must have at most 4000 characters");
    }
  });
});

describe("a number's rule", () => {
  const numbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 1.0000001, -Number.MIN_VALUE];

  test.each([0, -0, 0.5, 1])("takes %d from 0 to 1", (value) => expect(rangeRule(value, 0, 1)).toBe(fine));

  test.each(numbers)("refuses %d from 0 to 1", (value) => {
    expect(rangeRule(value, 0, 1)).toBe("must be a number from 0 to 1");
  });

  test.each([1, 2, 4])("takes the whole number %d from 1 to 4", (value) => expect(integerRule(value, 1, 4)).toBe(fine));

  test.each([0, 5, 1.5, ...numbers])("refuses %d as a whole number from 1 to 4", (value) => {
    expect(integerRule(value, 1, 4)).toBe("must be a whole number from 1 to 4");
  });
});

test("a text's length in bytes is that of its UTF-8", () => {
  expect(["", "a", "é", "日", emoji].map(utf8Length)).toEqual([0, 1, 2, 3, 4]);
});
