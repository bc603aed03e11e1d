import { createRequire } from "node:module";
import type { Passwords } from "../ports/credentials.ts";
import { atOnce, openBcryptPool } from "./bcrypt-pool.ts";

/** The exponent of bcrypt's rounds: about a quarter of a second on one core. */
const usualCost = 12;

const require = createRequire(import.meta.url);

export function openPasswords(pool = openBcryptPool(atOnce.passwords), cost = usualCost): Passwords {
  // Two lines of the pool: sign-ups and password changes, however many, must not delay logins.
  const [logins, changes] = [pool.line(), pool.line()];
  return {
    hash: (password) => changes.hash(password, cost),
    verify: async (password, stored) => {
      const matches = await logins.compare(password, stored ?? nobodyAt(cost), missingWork(stored, cost));
      return matches && stored !== undefined;
    },
    confirm: (password, stored) => changes.compare(password, stored),
    isCommon: (password) => commonPasswords().includes(password.toLowerCase()),
  };
}

/**
 * Loads the list when it is first needed, since it takes 13 MiB and 20 ms: no start needs it, nor does a server where
 * nobody chooses a password. Searching it takes 0.2 ms; a set would take 6 MiB more.
 */
function commonPasswords(): readonly string[] {
  const { dictionary }: typeof import("@zxcvbn-ts/language-common") = require("@zxcvbn-ts/language-common");
  return dictionary["passwords-common"];
}

/**
 * The hash of random bytes that were thrown away. It is compared with when there is no account, so that the answer
 * takes as long.
 */
function nobodyAt(cost: number): string {
  return `$2b$${String(cost).padStart(2, "0")}$.yp.565fERv1JpgopthS.uR32S.SpJ3pmWCA.RWhPOXX9/PBDE5dq`;
}

/**
 * Hashes to compare with after a cheaper imported hash, so that a wrong password takes as long as an unknown name: its
 * rounds, and those of each cost from its own to the one below `cost`, add up to those of `cost`.
 */
function missingWork(stored: string | undefined, cost: number): string[] {
  const own = Number(stored?.split("$")[2] ?? cost);
  return Array.from({ length: Math.max(0, cost - own) }, (_, step) => nobodyAt(own + step));
}
