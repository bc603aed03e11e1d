import { authorise, isOpen, takesSessionCookie } from "../model/access.ts";
import type { Call } from "../model/call.ts";
import { credentialOf } from "../model/credential.ts";
import { DomainError } from "../model/errors.ts";
import type { Principal } from "../model/principal.ts";
import { quotasOf, type RateLimits, rateLimitHeaders, type Standing } from "../model/rate-limits.ts";
import { isMetered } from "../model/usage.ts";
import type { Authentication } from "./authentication.ts";
import { overLimit, type RateLimiter } from "./rate-limiter.ts";
import type { Usage } from "./usage.ts";

export interface CredentialHeaders extends Pick<Call, "authorization" | "apiKey"> {
  /** A browser's, which some routes take where no header has a credential. */
  readonly sessionToken?: string | undefined;
}

/** Decides who may call what, and how often, before a byte of a request's body is read. */
export class Admission {
  readonly #authentication: Authentication;
  readonly #limiter: RateLimiter;
  readonly #limits: RateLimits;
  readonly #usage: Usage;

  constructor(deps: { authentication: Authentication; limiter: RateLimiter; rateLimits: RateLimits; usage: Usage }) {
    this.#authentication = deps.authentication;
    this.#limiter = deps.limiter;
    this.#limits = deps.rateLimits;
    this.#usage = deps.usage;
  }

  /**
   * Sets the call's principal and its answer's headers. Rejects when it may not be made. `headers` are the call's own, unless
   * the operation reads them otherwise; `limitedAs` is the operation whose limit counts it, where another one does the same.
   */
  async admit(operation: string, call: Call, headers: CredentialHeaders = call, limitedAs = operation): Promise<void> {
    if (!isOpen(operation)) await this.#identify(operation, call, headers);
    await this.#count(limitedAs, call);
    authorise(operation, call.principal);
    if (isMetered(operation) && call.principal?.kind === "user") await this.#usage.count(call.principal);
  }

  async #identify(operation: string, call: Call, headers: CredentialHeaders): Promise<void> {
    try {
      const principal = await this.#callerOf(operation, headers);
      if (principal !== undefined) call.principal = principal;
    } catch (error) {
      // A refused credential is counted for its address, and spoils no operation for those who share it.
      if (error instanceof DomainError && error.code === "unauthenticated") await this.#count("", call);
      throw error;
    }
  }

  #callerOf(operation: string, headers: CredentialHeaders): Promise<Principal | undefined> {
    const credential = this.#credentialIn(headers);
    const { sessionToken } = headers;
    return credential === undefined && sessionToken !== undefined && takesSessionCookie(operation)
      ? this.#authentication.identifySession(sessionToken)
      : this.#authentication.identify(credential);
  }

  #credentialIn({ authorization, apiKey }: CredentialHeaders): string | undefined {
    const credential = credentialOf(authorization, apiKey);
    if (credential !== undefined || authorization === undefined) return credential;
    return this.#authentication.isOfWorker(authorization) ? authorization : undefined;
  }

  async #count(operation: string, call: Call): Promise<void> {
    const quotas = quotasOf(this.#limits, operation, call.principal, call.address);
    if (quotas.length === 0) return;
    const counted = quotas.map((quota) => this.#limiter.count(quota));
    // Most answers are there: waiting for them would cost each call a turn.
    const isClear = (each: (typeof counted)[number]) => !(each instanceof Promise);
    const standings = counted.every(isClear) ? (counted as Standing[]) : await Promise.all(counted);
    const { policy, state } = rateLimitHeaders(standings);
    call.setHeader("ratelimit-policy", policy);
    call.setHeader("ratelimit", state);
    const over = standings.find(({ isOver }) => isOver);
    if (over !== undefined) throw overLimit(over);
  }
}
