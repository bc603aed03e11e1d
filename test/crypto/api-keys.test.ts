import { randomBytes } from "node:crypto";
import bcrypt from "bcrypt";
import { expect, test } from "vitest";
import { openApiKeys } from "../../src/crypto/api-keys.ts";
import { atOnce, openBcryptPool } from "../../src/crypto/bcrypt-pool.ts";

function key(): string {
  return `dk_${randomBytes(8).toString("hex")}_${randomBytes(32).toString("base64url")}`;
}

test("wrong keys of one client turn away its own, and no other's", async () => {
  const apiKeys = openApiKeys(openBcryptPool(atOnce.keys));
  const right = key();
  const [asked, other] = [bcrypt.hashSync(key(), 4), bcrypt.hashSync(right, 4)];
  const wrong = Promise.allSettled(Array.from({ length: 100 }, async () => apiKeys.verify(key(), [asked])));
  await expect(apiKeys.verify(key(), [asked])).rejects.toMatchObject({ code: "resource_exhausted" });
  expect(await Promise.race([apiKeys.verify(right, [other]), wrong])).toBe(0);
  await wrong;
});
