import { expect, test } from "vitest";
import { serviceKeyCheck } from "../../src/crypto/service-key.ts";
import { altered } from "./opened-secrets.ts";

const key = "a-key-of-the-image-service";

test("the service key is itself alone", () => {
  const matches = serviceKeyCheck(key);
  expect(matches(key)).toBe(true);
  const others = [
    "",
    `${key} `,
    `${key}a`,
    key.slice(0, -1),
    key.toUpperCase(),
    altered(key, 0),
    altered(key, -1),
    "é",
  ];
  for (const other of others) expect(matches(other)).toBe(false);
});
