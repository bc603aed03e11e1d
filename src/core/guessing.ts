import { createHash } from "node:crypto";
import { DomainError } from "../model/errors.ts";
import { counted, forgiven, sourceOf, waitMs } from "../model/guessing.ts";
import type { AttemptStore } from "../ports/attempt-store.ts";
import type { Clock } from "../ports/clock.ts";
import { DuplicateKey } from "../ports/store-errors.ts";

/** Others that try at the same moment come first at most so often; whoever loses more is one of very many. */
const writesMax = 10;

/** Makes guessing passwords slow, then useless: for an account as seen from an address, on all servers together. */
export class Guessing {
  readonly #store: AttemptStore;
  readonly #clock: Clock;

  constructor(deps: { attempts: AttemptStore; clock: Clock }) {
    this.#store = deps.attempts;
    this.#clock = deps.clock;
  }

  /** Counts a try as failed before it is made. Rejects with `resource_exhausted` when it may not be made yet. */
  async count(key: string, address: string): Promise<void> {
    const source = sourceOf(address);
    for (let left = writesMax; left > 0; left--) {
      const now = this.#clock();
      const attempts = await this.#store.get(key);
      const wait = waitMs(attempts, source, now);
      if (wait > 0) throw tooMany(wait);
      const next = counted(attempts, key, source, now);
      if (await (attempts === undefined ? this.#insert(next) : this.#store.replace(next))) return;
    }
    throw tooMany(1000);
  }

  /** The try succeeded after all. */
  async forgive(key: string, address: string): Promise<void> {
    for (let left = writesMax; left > 0; left--) {
      const attempts = await this.#store.get(key);
      if (attempts === undefined) return;
      const next = forgiven(attempts, sourceOf(address));
      if (next.addresses.length === 0) return this.#store.delete(key);
      if (await this.#store.replace(next)) return;
    }
  }

  /** Lifts every delay and lock of an account. */
  async unlock(accountId: string): Promise<void> {
    await this.#store.delete(accountId);
  }

  async #insert(attempts: Parameters<AttemptStore["insert"]>[0]): Promise<boolean> {
    try {
      await this.#store.insert(attempts);
      return true;
    } catch (error) {
      if (error instanceof DuplicateKey) return false;
      throw error;
    }
  }
}

/** For a name that nobody has: what somebody typed there, perhaps their password, is not stored. */
export function unknownNameKey(name: string): string {
  return createHash("sha256").update(name).digest("base64url");
}

function tooMany(retryAfterMs: number): DomainError {
  const seconds = Math.ceil(retryAfterMs / 1000);
  const message = `too many failed tries; try again in ${seconds} seconds`;
  return new DomainError("resource_exhausted", "TOO_MANY_ATTEMPTS", message, { retryAfterMs });
}
