import type { Account } from "../model/account.ts";
import { DomainError, invalidField, unauthenticated } from "../model/errors.ts";
import { hasEnded } from "../model/image-job.ts";
import type { JobPrincipal, Principal, UserPrincipal } from "../model/principal.ts";
import { isSessionAlive } from "../model/session.ts";
import type { AccountStore } from "../ports/account-store.ts";
import type { Clock } from "../ports/clock.ts";
import { type AccessTokens, InvalidToken, type JobTokens } from "../ports/credentials.ts";
import type { JobStore } from "../ports/job-store.ts";
import type { SessionStore } from "../ports/session-store.ts";

/** Longer than any credential that is issued here. */
const credentialMax = 4096;

/** Finds out whose a credential is. What it says is read from the store each time, so revoking acts at the next call. */
export class Authentication {
  readonly #accounts: AccountStore;
  readonly #sessions: SessionStore;
  readonly #jobs: JobStore;
  readonly #accessTokens: AccessTokens;
  readonly #jobTokens: JobTokens;
  readonly #clock: Clock;

  constructor(deps: {
    accounts: AccountStore;
    sessions: SessionStore;
    jobs: JobStore;
    accessTokens: AccessTokens;
    jobTokens: JobTokens;
    clock: Clock;
  }) {
    this.#accounts = deps.accounts;
    this.#sessions = deps.sessions;
    this.#jobs = deps.jobs;
    this.#accessTokens = deps.accessTokens;
    this.#jobTokens = deps.jobTokens;
    this.#clock = deps.clock;
  }

  /** Rejects with `unauthenticated`; its reason tells a worker why its job's token ended. */
  async authenticate(credential: string): Promise<Principal> {
    if (credential.length > credentialMax) throw refused();
    try {
      const isJob = this.#jobTokens.recognises(credential);
      return isJob ? await this.#authenticateJob(credential) : await this.#authenticateUser(credential);
    } catch (error) {
      throw error instanceof InvalidToken ? refused(error) : error;
    }
  }

  /** Whose the credential is, or undefined when it is not good. */
  async validate(credential: string): Promise<Principal | undefined> {
    if (credential === "") throw invalidField("credential", "must not be empty");
    try {
      return await this.authenticate(credential);
    } catch (error) {
      if (error instanceof DomainError && error.code === "unauthenticated") return undefined;
      throw error;
    }
  }

  /** For calls that stay open: rejects once the principal's session or account is gone. */
  async confirm(principal: Principal): Promise<void> {
    if (principal.kind === "user") await this.#user(principal.account.id, principal.sessionId);
  }

  async #authenticateUser(token: string): Promise<UserPrincipal> {
    const { accountId, sessionId } = await this.#accessTokens.verify(token);
    return this.#user(accountId, sessionId);
  }

  async #user(accountId: string, sessionId: string): Promise<UserPrincipal> {
    const session = await this.#sessions.get(sessionId);
    if (session?.accountId !== accountId || !isSessionAlive(session, this.#clock())) {
      throw unauthenticated("SESSION_ENDED", "the session has ended: log in again");
    }
    return { kind: "user", account: await this.#account(accountId), sessionId };
  }

  async #authenticateJob(token: string): Promise<JobPrincipal> {
    const { jobId, attempt } = await this.#jobTokens.verify(token);
    const job = await this.#jobs.get(jobId);
    if (job === undefined || hasEnded(job)) throw unauthenticated("JOB_ENDED", "the job of this token has ended");
    if (attempt !== null && (job.state !== "RUNNING" || job.attempt !== attempt)) {
      throw unauthenticated("LEASE_LOST", "the attempt of this token is over");
    }
    return { kind: "job", jobId, attempt, inputImageId: job.inputImageId, account: await this.#account(job.ownerId) };
  }

  async #account(id: string): Promise<Account> {
    const account = await this.#accounts.get(id);
    if (account === undefined || account.disabled)
      throw unauthenticated("ACCOUNT_UNUSABLE", "the account cannot be used");
    return account;
  }
}

function refused(cause?: unknown): DomainError {
  const message = "the credential is not valid: log in or refresh it";
  return new DomainError("unauthenticated", "CREDENTIAL_INVALID", message, { cause });
}
