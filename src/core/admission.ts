import { authorise, isOpen, takesSessionCookie } from "../model/access.ts";
import type { Call } from "../model/call.ts";
import { type CredentialHeaders, credentialOf } from "../model/credential.ts";
import { DomainError } from "../model/errors.ts";
import type { Principal } from "../model/principal.ts";
import { type Quota, quotasOf, type RateLimits, rateLimitHeaders, type Standing } from "../model/rate-limits.ts";
import { isMetered } from "../model/usage.ts";
import { type Soon, soon, soonOr } from "../ports/soon.ts";
import type { Authentication } from "./authentication.ts";
import { overLimit, type RateLimiter } from "./rate-limiter.ts";
import type { Usage } from "./usage.ts";

export interface Given extends CredentialHeaders {
  /** A browser's, which some routes take where no header has a credential. */
  readonly sessionToken?: string | undefined;
}

/** Decides who may call what, and how often, before a byte of a request's body is read. */
export class Admission {
  readonly #authentication: Authentication;
  readonly #limiter: RateLimiter;
  readonly #limits: RateLimits;
  readonly #usage: Usage;
  /** By operation. The same caller is the same object for as long as its records are not read again. */
  readonly #quotas = new WeakMap<Principal, Map<string, readonly Quota[]>>();

  constructor(deps: { authentication: Authentication; limiter: RateLimiter; rateLimits: RateLimits; usage: Usage }) {
    this.#authentication = deps.authentication;
    this.#limiter = deps.limiter;
    this.#limits = deps.rateLimits;
    this.#usage = deps.usage;
  }

  /**
   * Sets the call's principal and its answer's headers. An error when it may not be made. `given` is what stands in the
   * call's headers, unless the operation reads them in its own way; `limitedAs` is the operation whose limit counts it,
   * where another one does the same.
   */
  admit(operation: string, call: Call, given: Given = call, limitedAs = operation): Soon<void> {
    const identified = isOpen(operation) ? undefined : this.#identify(operation, call, given);
    return soon(identified, () =>
      soon(this.#count(limitedAs, call), () => {
        authorise(operation, call.principal);
        if (isMetered(operation) && call.principal?.kind === "user") return this.#usage.count(call.principal);
      }),
    );
  }

  #identify(operation: string, call: Call, given: Given): Soon<void> {
    const caller = soonOr<Principal | undefined, never>(
      () => this.#callerOf(operation, given),
      (error) => this.#refuse(error, call),
    );
    return soon(caller, (principal) => {
      if (principal !== undefined) call.principal = principal;
    });
  }

  /** A refused credential is counted for its address, and spoils no operation for those who share it. */
  async #refuse(error: unknown, call: Call): Promise<never> {
    if (error instanceof DomainError && error.code === "unauthenticated") await this.#count("", call);
    throw error;
  }

  #callerOf(operation: string, given: Given): Soon<Principal | undefined> {
    const credential = this.#credentialIn(given);
    const { sessionToken } = given;
    return credential === undefined && sessionToken !== undefined && takesSessionCookie(operation)
      ? this.#authentication.identifySession(sessionToken)
      : this.#authentication.identify(credential);
  }

  #credentialIn(given: Given): string | undefined {
    const { authorization } = given;
    const credential = credentialOf(given);
    if (credential !== undefined || authorization === undefined) return credential;
    return this.#authentication.isOfWorker(authorization) ? authorization : undefined;
  }

  #count(operation: string, call: Call): Soon<void> {
    const quotas = this.#quotasOf(operation, call);
    if (quotas.length === 0) return;
    return soon(soonAll(quotas.map((quota) => this.#limiter.count(quota))), (standings) => {
      const { policy, state } = rateLimitHeaders(standings);
      call.setHeader("ratelimit-policy", policy);
      call.setHeader("ratelimit", state);
      const over = standings.find(({ isOver }) => isOver);
      if (over !== undefined) throw overLimit(over);
    });
  }

  #quotasOf(operation: string, { principal, address }: Call): readonly Quota[] {
    if (principal === undefined) return quotasOf(this.#limits, operation, principal, address);
    const known = this.#quotas.get(principal)?.get(operation);
    return known ?? this.#keep(principal, operation, quotasOf(this.#limits, operation, principal, address));
  }

  #keep(principal: Principal, operation: string, quotas: readonly Quota[]): readonly Quota[] {
    const byOperation = this.#quotas.get(principal) ?? new Map<string, readonly Quota[]>();
    this.#quotas.set(principal, byOperation.set(operation, quotas));
    return quotas;
  }
}

function soonAll(counted: readonly Soon<Standing>[]): Soon<readonly Standing[]> {
  return counted.some((each) => each instanceof Promise) ? Promise.all(counted) : (counted as Standing[]);
}
