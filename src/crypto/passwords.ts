import { createRequire } from "node:module";
import type { Passwords } from "../ports/credentials.ts";
import type { BcryptPool } from "./bcrypt-pool.ts";

/** The exponent of bcrypt's rounds: about a quarter of a second on one core. */
const cost = 12;
/** Of random bytes that were thrown away: compared with when there is no account, so that the answer takes as long. */
const nobody = nobodyAt(cost);

const require = createRequire(import.meta.url);

export function openPasswords(pool: BcryptPool): Passwords {
  // Whoever signs up or changes what is theirs, however often, keeps nobody from signing in.
  const [logins, changes] = [pool.line(), pool.line()];
  return {
    hash: (password) => changes.hash(password, cost),
    verify: async (password, stored) => {
      const matches = await logins.compare(password, stored ?? nobody, missingWork(stored));
      return matches && stored !== undefined;
    },
    confirm: (password, stored) => changes.compare(password, stored),
    isCommon: (password) => commonPasswords().includes(password.toLowerCase()),
  };
}

/**
 * Takes 13 MiB, and 20 ms once: servers where nobody chooses a password do without, and all start without. Looked through
 * in 0.2 ms; a set of them would take 6 MiB more.
 */
function commonPasswords(): readonly string[] {
  const { dictionary }: typeof import("@zxcvbn-ts/language-common") = require("@zxcvbn-ts/language-common");
  return dictionary["passwords-common"];
}

function nobodyAt(exponent: number): string {
  return `$2b$${String(exponent).padStart(2, "0")}$.yp.565fERv1JpgopthS.uR32S.SpJ3pmWCA.RWhPOXX9/PBDE5dq`;
}

/**
 * Hashes to compare with after a cheaper one that was imported, so that a wrong password takes as long as an unknown
 * name: the rounds of the costs from its own on add up to those of the next one after the last.
 */
function missingWork(stored: string | undefined): string[] {
  const own = Number(stored?.split("$")[2] ?? cost);
  return Array.from({ length: Math.max(0, cost - own) }, (_, step) => nobodyAt(own + step));
}
