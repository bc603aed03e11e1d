import { hash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import pLimit, { type LimitFunction } from "p-limit";
import { networkOf } from "../../model/address.ts";
import { auditSubject } from "../../model/audit.ts";
import { DomainError } from "../../model/errors.ts";
import { counted, forgiven, holdMs, type SignInAttempts, takenBack, waitMs } from "../../model/guessing.ts";
import type { Clock } from "../../ports/clock.ts";
import type { SignInAttemptStore } from "../../ports/sign-in-attempt-store.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";

/** How often a write is tried: another try of the same account may be stored first. */
const writesMax = 10;
/**
 * At most so many tries are delayed at a time; beyond that a try goes ahead undelayed, since to refuse it would keep the
 * owner out.
 */
const heldMax = 1000;
/**
 * For one account and address on this server: `atOnceMax` tries run together (fewer than `freeTries`, or right passwords
 * would lock each other out), `lineMax` in all with those that wait.
 */
const atOnceMax = 4;
const lineMax = 64;

interface GuessingDeps {
  readonly attempts: SignInAttemptStore;
  readonly clock: Clock;
}

/** Makes guessing passwords slow, then useless: for an account as seen from an address, on all servers together. */
export class Guessing {
  readonly #deps: GuessingDeps;
  readonly #lines = new Map<string, { readonly run: LimitFunction; length: number }>();
  #held = 0;

  constructor(deps: GuessingDeps) {
    this.#deps = deps;
  }

  /**
   * Runs a try. It counts as failed before it runs; a success forgives the address's failures, and a try that throws is
   * taken back. Rejects with `resource_exhausted` when no try is allowed yet.
   */
  guard(key: string, address: string, attempt: () => Promise<boolean>): Promise<boolean> {
    return this.#inLine(key, address, () => this.#guard(key, address, attempt));
  }

  async #guard(key: string, address: string, attempt: () => Promise<boolean>): Promise<boolean> {
    await this.#count(key, address);
    try {
      const succeeded = await attempt();
      if (succeeded) await this.#change(key, (attempts) => forgiven(attempts, networkOf(address)));
      return succeeded;
    } catch (error) {
      await this.#change(key, (attempts) => takenBack(attempts, networkOf(address)));
      throw error;
    }
  }

  async #inLine<Result>(key: string, address: string, work: () => Promise<Result>): Promise<Result> {
    const name = `${key} ${networkOf(address)}`;
    const line = this.#lines.getOrInsertComputed(name, () => ({ run: pLimit(atOnceMax), length: 0 }));
    if (line.length >= lineMax) throw tooMany(1000, key);
    line.length += 1;
    try {
      return await line.run(work);
    } finally {
      line.length -= 1;
      if (line.length === 0) this.#lines.delete(name);
    }
  }

  /** Lifts every delay and lock of an account. */
  async unlock(accountId: string): Promise<void> {
    await this.#deps.attempts.delete(accountId);
  }

  async #count(key: string, address: string): Promise<void> {
    const { attempts: store, clock } = this.#deps;
    const network = networkOf(address);
    for (let left = writesMax; left > 0; left--) {
      const now = clock();
      const attempts = await store.get(key);
      const wait = waitMs(attempts, network, now);
      if (wait > 0) throw tooMany(wait, key);
      const next = counted(attempts, key, network, now);
      if (await (attempts === undefined ? this.#insert(next) : store.replace(next)))
        return this.#hold(holdMs(attempts));
    }
    throw tooMany(1000, key);
  }

  async #hold(ms: number): Promise<void> {
    if (ms === 0 || this.#held >= heldMax) return;
    this.#held += 1;
    await pause(ms);
    this.#held -= 1;
  }

  async #change(key: string, step: (attempts: SignInAttempts) => SignInAttempts): Promise<void> {
    const { attempts: store } = this.#deps;
    for (let left = writesMax; left > 0; left--) {
      const attempts = await store.get(key);
      if (attempts === undefined || (await store.replace(step(attempts)))) return;
    }
  }

  async #insert(attempts: SignInAttempts): Promise<boolean> {
    try {
      await this.#deps.attempts.insert(attempts);
      return true;
    } catch (error) {
      if (error instanceof DuplicateKey) return false;
      throw error;
    }
  }
}

/** The key of a name that nobody has. It is a hash: what somebody typed there, perhaps their password, must not be stored. */
export function unknownNameKey(name: string): string {
  return hash("sha256", name, "base64url");
}

function tooMany(retryAfterMs: number, key: string): DomainError {
  const seconds = Math.ceil(retryAfterMs / 1000);
  const message = `too many failed tries; try again in ${seconds === 1 ? "a second" : `${seconds} seconds`}`;
  // The key of a name that nobody has is no id, and no subject.
  const subject = auditSubject("user", key);
  return new DomainError("resource_exhausted", "TOO_MANY_ATTEMPTS", message, { retryAfterMs, subject });
}
