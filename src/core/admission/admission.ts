import { chain, chainOr, type MaybePromise } from "../../helpers/maybe-promise.ts";
import { authorise, isOpen, takesSessionCookie } from "../../model/access.ts";
import { type CredentialHeaders, credentialOf } from "../../model/auth-headers.ts";
import type { Call } from "../../model/call.ts";
import type { Owner, Principal } from "../../model/principal.ts";
import { type Quota, quotasOf, type RateLimits, rateLimitHeaders, type Standing } from "../../model/rate-limits.ts";
import { isMetered } from "../../model/usage.ts";
import type { Authentication } from "./authentication.ts";
import { overLimit, type RateLimiter } from "./rate-limiter.ts";
import { isUnauthenticated } from "./refused-credentials.ts";
import type { Usage } from "./usage.ts";

/**
 * When a body comes later than this, its caller is checked again: cached records are 1.5 s old at most, and a
 * revocation must act within 2 s everywhere.
 */
const lateMs = 500;

/** Decides who may call what, and how often, before a byte of a request's body is read. */
export class Admission {
  readonly #authentication: Authentication;
  readonly #limiter: RateLimiter;
  readonly #limits: RateLimits;
  readonly #usage: Usage;
  /** A caller's quotas by operation. A caller is the same object for as long as its records are not read again. */
  readonly #quotas = new WeakMap<Owner, Map<string, readonly Quota[]>>();

  constructor(deps: { authentication: Authentication; limiter: RateLimiter; rateLimits: RateLimits; usage: Usage }) {
    this.#authentication = deps.authentication;
    this.#limiter = deps.limiter;
    this.#limits = deps.rateLimits;
    this.#usage = deps.usage;
  }

  /**
   * Sets the call's principal and its answer's headers; fails when the call may not be made. `headers` are the call's
   * own, unless the operation reads them otherwise. `limitedAs` is another operation that does the same: its limit and
   * its meter count the call too.
   */
  admit(operation: string, call: Call, headers: CredentialHeaders = call, limitedAs = operation): MaybePromise<void> {
    const identified = isOpen(operation) ? undefined : this.#identify(operation, call, headers);
    return chain(identified, () =>
      chain(this.#countBy(this.#allQuotasOf(operation, limitedAs, call), call), () => {
        authorise(operation, call.principal);
        if (isMetered(limitedAs) && call.principal?.kind === "user") return this.#usage.count(call.principal);
      }),
    );
  }

  /** Decides once more about a caller whose body came late, by the records as they are now. */
  readmit(call: Call): MaybePromise<void> {
    const { principal, operation = "", startedAt } = call;
    if (principal === undefined || performance.now() - startedAt <= lateMs) return;
    return this.#authentication.renew(principal).then((renewed) => {
      authorise(operation, renewed);
      call.principal = renewed;
    });
  }

  /** Counts an admitted call against another operation's limit too, where only the body tells that both do the same. */
  countAlso(operation: string, call: Call): MaybePromise<void> {
    return this.#countBy(this.#ownQuotasOf(operation, call), call);
  }

  #identify(operation: string, call: Call, headers: CredentialHeaders): MaybePromise<void> {
    const caller = chainOr<Principal | undefined, never>(
      () => this.#callerOf(operation, headers),
      (error) => this.#refuse(error, call),
    );
    return chain(caller, (principal) => {
      if (principal === undefined) return;
      call.principal = principal;
      call.operation = operation;
    });
  }

  /**
   * Counts a refused credential against its address's general limit alone, so that others there keep the operations'
   * own limits.
   */
  async #refuse(error: unknown, call: Call): Promise<never> {
    if (isUnauthenticated(error)) await this.#countBy(this.#quotasOf("", call), call);
    throw error;
  }

  #callerOf(operation: string, headers: CredentialHeaders): MaybePromise<Principal | undefined> {
    const credential = this.#credentialIn(headers);
    const { sessionToken } = headers;
    return credential === undefined && sessionToken !== undefined && takesSessionCookie(operation)
      ? this.#authentication.identifySession(sessionToken)
      : this.#authentication.identify(credential);
  }

  #credentialIn(headers: CredentialHeaders): string | undefined {
    const { authorization } = headers;
    const credential = credentialOf(headers);
    if (credential !== undefined || authorization === undefined) return credential;
    return this.#authentication.isOfWorker(authorization) ? authorization : undefined;
  }

  #countBy(quotas: readonly Quota[], call: Call): MaybePromise<void> {
    if (quotas.length === 0) return;
    return chain(chainAll(quotas.map((quota) => this.#limiter.count(quota))), (standings) => {
      const { policy, state } = rateLimitHeaders(standings);
      call.setHeader("ratelimit-policy", policy);
      call.setHeader("ratelimit", state);
      const over = standings.find(({ isOver }) => isOver);
      if (over !== undefined) throw overLimit(over);
    });
  }

  #allQuotasOf(operation: string, limitedAs: string, call: Call): readonly Quota[] {
    const quotas = this.#quotasOf(limitedAs, call);
    return limitedAs === operation ? quotas : [...quotas, ...this.#ownQuotasOf(operation, call)];
  }

  /** The operation's own limit, without the one that counts all calls of its caller. */
  #ownQuotasOf(operation: string, call: Call): readonly Quota[] {
    return this.#quotasOf(operation, call).filter(({ name }) => name === operation);
  }

  #quotasOf(operation: string, { principal, address }: Call): readonly Quota[] {
    const isOwner = principal?.kind === "user" || principal?.kind === "client";
    if (!isOwner) return quotasOf(this.#limits, operation, principal, address);
    const known = this.#quotas.get(principal)?.get(operation);
    return known ?? this.#keep(principal, operation, quotasOf(this.#limits, operation, principal, address));
  }

  #keep(principal: Owner, operation: string, quotas: readonly Quota[]): readonly Quota[] {
    const byOperation = this.#quotas.get(principal) ?? new Map<string, readonly Quota[]>();
    this.#quotas.set(principal, byOperation.set(operation, quotas));
    return quotas;
  }
}

function chainAll(counted: readonly MaybePromise<Standing>[]): MaybePromise<readonly Standing[]> {
  return counted.some((each) => each instanceof Promise) ? Promise.all(counted) : (counted as Standing[]);
}
