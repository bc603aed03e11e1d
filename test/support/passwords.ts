import { atOnce, openBcryptPool } from "../../src/crypto/bcrypt-pool.ts";
import { openPasswords } from "../../src/crypto/passwords.ts";

/** bcrypt's exponent: a hash takes some milliseconds. */
const quickCost = 6;

/** Real passwords, for the tests of what they open rather than of what they cost. */
export function quickPasswords() {
  return openPasswords(openBcryptPool(atOnce.passwords), quickCost);
}
