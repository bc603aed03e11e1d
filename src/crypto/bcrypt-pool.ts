import bcrypt from "bcrypt";
import pLimit, { type LimitFunction } from "p-limit";
import { DomainError } from "../model/errors.ts";

/** How many may hash at once. libuv has four threads, and files always need one. */
export const atOnce = { passwords: 2, keys: 1 } as const;
/** How many may wait in one line: about 8 s of passwords. */
const waitingMax = 64;
const retryAfterMs = 5000;

/** Lines take turns, so a long line does not delay the others. */
export interface BcryptPool {
  line(): BcryptLine;
}

/** bcrypt, off the event loop; rejects with `resource_exhausted` when too many wait in this line. */
export interface BcryptLine {
  hash(text: string, cost: number): Promise<string>;
  /** Where `hash` does not match, compares with `others` too, only to take as long. */
  compare(text: string, hash: string, others?: readonly string[]): Promise<boolean>;
}

export function openBcryptPool(concurrency: number): BcryptPool {
  const pool = pLimit(concurrency);
  return { line: () => openLine(concurrency, pool) };
}

/** Sends no more into the pool than may hash at once, so that the rest of the line waits outside it. */
function openLine(concurrency: number, pool: LimitFunction): BcryptLine {
  const limit = pLimit(concurrency);

  function bounded<T>(work: () => Promise<T>): Promise<T> {
    if (limit.pendingCount >= waitingMax) {
      const message = "too many passwords or keys are being checked; try again in a few seconds";
      return Promise.reject(new DomainError("resource_exhausted", "PASSWORDS_BUSY", message, { retryAfterMs }));
    }
    return limit(() => pool(work));
  }

  return {
    // With a salt made here the hash begins at once; bcrypt's own salt comes by the event loop, which is busy loading
    // modules at a start.
    hash: (text, cost) => bounded(() => bcrypt.hash(text, bcrypt.genSaltSync(cost))),
    compare: (text, hash, others = []) =>
      bounded(async () => {
        if (await bcrypt.compare(text, hash)) return true;
        for (const other of others) await bcrypt.compare(text, other);
        return false;
      }),
  };
}
