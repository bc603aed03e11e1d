import { dictionary } from "@zxcvbn-ts/language-common";
import type { Passwords } from "../ports/credentials.ts";
import type { BcryptPool } from "./bcrypt-pool.ts";

/** The exponent of bcrypt's rounds: about a quarter of a second on one core. */
const cost = 12;
/** Of random bytes that were thrown away: compared with when there is no account, so that the answer takes as long. */
const nobody = "$2b$12$.yp.565fERv1JpgopthS.uR32S.SpJ3pmWCA.RWhPOXX9/PBDE5dq";

export function openPasswords(pool: BcryptPool): Passwords {
  const common = new Set(dictionary["passwords-common"]);

  return {
    hash: (password) => pool.hash(password, cost),
    verify: async (password, stored) => {
      const matches = await pool.compare(password, stored ?? nobody);
      return matches && stored !== undefined;
    },
    isCommon: (password) => common.has(password.toLowerCase()),
  };
}
