import { dictionary } from "@zxcvbn-ts/language-common";
import bcrypt from "bcrypt";
import pLimit from "p-limit";
import { DomainError } from "../model/errors.ts";
import type { Passwords } from "../ports/credentials.ts";

/** The exponent of bcrypt's rounds: about a quarter of a second on one core. */
const cost = 12;
/** How many may hash at once: half of libuv's four threads, so that files always have the other half. */
const concurrency = 2;
/** How many may wait: about 8 s of work for the two. */
const waitingMax = 64;
const retryAfterMs = 5000;
/** Of random bytes that were thrown away: compared with when there is no account, so that the answer takes as long. */
const nobody = "$2b$12$.yp.565fERv1JpgopthS.uR32S.SpJ3pmWCA.RWhPOXX9/PBDE5dq";

/** bcrypt, off the event loop. */
export function openPasswords(): Passwords {
  const limit = pLimit(concurrency);
  const common = new Set(dictionary["passwords-common"]);

  function bounded<T>(work: () => Promise<T>): Promise<T> {
    if (limit.pendingCount >= waitingMax) {
      const message = "too many passwords are being checked; try again in a few seconds";
      return Promise.reject(new DomainError("resource_exhausted", "PASSWORDS_BUSY", message, { retryAfterMs }));
    }
    return limit(work);
  }

  return {
    hash: (password) => bounded(() => bcrypt.hash(password, cost)),
    verify: async (password, stored) => {
      const matches = await bounded(() => bcrypt.compare(password, stored ?? nobody));
      return matches && stored !== undefined;
    },
    isCommon: (password) => common.has(password.toLowerCase()),
  };
}
