import { chain, chainOr, type MaybePromise } from "../../helpers/maybe-promise.ts";
import { hasLostRights } from "../../model/access.ts";
import type { Account } from "../../model/account.ts";
import { auditSubject } from "../../model/audit.ts";
import { acceptsKeyVersion, type Client, isUsable, type Scope } from "../../model/client.ts";
import { invalidField, unauthenticated } from "../../model/errors.ts";
import { isClientId } from "../../model/ids.ts";
import { hasEnded } from "../../model/image-job.ts";
import { attemptOver } from "../../model/job-life.ts";
import type { ClientPrincipal, JobPrincipal, Principal, UserPrincipal } from "../../model/principal.ts";
import { isSessionAlive, isSessionOf, isSessionTokenAlive, type Session } from "../../model/session.ts";
import type { Clock } from "../../ports/clock.ts";
import {
  type AccessClaims,
  type AccessTokens,
  type ApiKeys,
  InvalidToken,
  type IsServiceKey,
  type JobClaims,
  type JobTokens,
  type NamedSecrets,
} from "../../ports/credentials.ts";
import type { JobStore } from "../../ports/job-store.ts";
import type { LastUse } from "./last-use.ts";
import { PrincipalCache } from "./principal-cache.ts";
import type { RecordCache } from "./record-cache.ts";
import {
  isUnauthenticated,
  refused,
  sessionEnded,
  unlessUnauthenticated,
  usableAccount,
} from "./refused-credentials.ts";

/** Longer than any credential that is issued here. */
const credentialMax = 8192;

interface AuthenticationDeps {
  readonly accountCache: RecordCache<Account>;
  readonly clientCache: RecordCache<Client>;
  readonly sessionCache: RecordCache<Session>;
  readonly clientUse: LastUse;
  readonly sessionUse: LastUse;
  readonly jobs: JobStore;
  readonly accessTokens: AccessTokens;
  readonly apiKeys: ApiKeys;
  readonly jobTokens: JobTokens;
  /** Accepts nothing where no key of an image service is configured. */
  readonly isServiceKey: IsServiceKey;
  readonly sessionTokens: NamedSecrets;
  readonly clock: Clock;
  /** The user that every caller is where authentication is switched off. */
  readonly everybody: UserPrincipal | undefined;
}

/**
 * Finds out whose a credential is. Its claims are compared with the stored records, so a revocation acts at the next
 * call here and, by the limit of `RecordCache`, within two seconds on every other server.
 * `identify` says who makes a call; where authentication is off, that falls back to `everybody`. `validate` says whose
 * somebody else's credential is, undefined if it is not valid. `renew` repeats an earlier answer by the records as they
 * are now. `confirm` rejects when that answer no longer holds.
 */
export class Authentication {
  readonly #deps: AuthenticationDeps;
  readonly #principals = new PrincipalCache();

  constructor(deps: AuthenticationDeps) {
    this.#deps = deps;
  }

  /** Who makes a call with this credential, or with none; undefined when nobody is known. */
  identify(credential: string | undefined): MaybePromise<Principal | undefined> {
    return this.#identify(credential, this.#authenticate);
  }

  /** Who makes a call with this session token, for operations that accept a browser's cookie. */
  identifySession(token: string | undefined): MaybePromise<UserPrincipal | undefined> {
    return this.#identify(token, this.#authenticateSession);
  }

  /** Whether the credential may be a worker's: workers alone may send theirs without a scheme such as `Bearer`. */
  isOfWorker(credential: string): boolean {
    const { isServiceKey, jobTokens } = this.#deps;
    return isServiceKey(credential) || jobTokens.recognises(credential);
  }

  /** Whose the credential is, of whatever kind, or undefined when it is not good. */
  validate(credential: string): MaybePromise<Principal | undefined> {
    if (credential === "") throw invalidField("credential", "must not be empty");
    const authenticate = credential.startsWith("ds_") ? this.#authenticateSession : this.#authenticate;
    return unlessUnauthenticated<Principal>(() => authenticate(credential));
  }

  /** Whose session it is, or undefined when there is none; where authentication is off, it is everybody's. */
  validateSession(token: string | undefined): MaybePromise<UserPrincipal | undefined> {
    return unlessUnauthenticated(() => this.identifySession(token));
  }

  /** The same caller by the records as they are now; rejects once their session, account, client, key or job is gone. */
  async renew(principal: Principal): Promise<Principal> {
    if (principal === this.#deps.everybody) return principal;
    if (principal.kind === "user") return this.#user(principal.account.id, principal.sessionId);
    if (principal.kind === "client")
      return this.#clientWithin(principal.client.id, principal.keyVersion, principal.scopes);
    return principal.kind === "job" ? this.#job(principal) : principal;
  }

  /** For calls that stay open or wait: rejects as `renew` does, and once the role or a scope is gone. */
  async confirm(principal: Principal): Promise<void> {
    if (hasLostRights(principal, await this.renew(principal))) throw refused();
  }

  /** The client whose key this is, and the version of the key. */
  clientOfKey(key: string): MaybePromise<{ client: Client; keyVersion: number }> {
    const { clientCache, apiKeys } = this.#deps;
    const clientId = apiKeys.read(key);
    if (clientId === undefined) throw refused();
    return chain(clientCache.get(clientId), (client) => {
      const hashes = [client?.keyHash, client?.previousKeyHash].flatMap((hash) => hash ?? []);
      return chain(apiKeys.verify(key, hashes), (index) => {
        if (client === undefined || index === undefined) throw refused({ subject: auditSubject("client", client?.id) });
        return this.#usable(client, client.keyVersion - index);
      });
    });
  }

  #usable(client: Client, keyVersion: number): { client: Client; keyVersion: number } {
    const now = this.#deps.clock();
    if (!isUsable(client, now) || !acceptsKeyVersion(client, keyVersion, now))
      throw refused({ subject: auditSubject("client", client.id) });
    return { client, keyVersion };
  }

  #identify<P extends Principal>(
    credential: string | undefined,
    authenticate: (credential: string) => MaybePromise<P>,
  ): MaybePromise<P | UserPrincipal | undefined> {
    const { everybody } = this.#deps;
    if (credential === undefined) return everybody;
    if (everybody === undefined) return authenticate(credential);
    return chainOr(
      () => authenticate(credential),
      (error) => {
        // A worker must be told of its job's end even where authentication is off.
        if (!isUnauthenticated(error) || attemptOver.includes(error.reason)) throw error;
        return everybody;
      },
    );
  }

  /** Rejects with `unauthenticated`; its reason tells a worker why its job's token ended. */
  readonly #authenticate = (credential: string): MaybePromise<Principal> => {
    if (credential.length > credentialMax) throw refused();
    if (this.#deps.isServiceKey(credential)) return { kind: "worker" };
    if (credential.startsWith("dk_")) return this.#authenticateKey(credential);
    return chainOr<Principal, never>(
      () => this.#authenticateToken(credential),
      (error) => {
        throw error instanceof InvalidToken ? refused({ cause: error }) : error;
      },
    );
  };

  /** Authenticates a session token. Services ask Validate about it; no RPC accepts it as its caller's credential. */
  readonly #authenticateSession = (token: string): MaybePromise<UserPrincipal> => {
    const { sessionCache, sessionTokens, clock } = this.#deps;
    const named = sessionTokens.read(token);
    if (named === undefined) throw refused();
    return chain(sessionCache.get(named.id), (session) => {
      if (session === undefined || !sessionTokens.matches(named.hash, session.sessionTokenHash)) throw refused();
      if (!isSessionTokenAlive(session, clock())) throw sessionEnded();
      return this.#userOf(session);
    });
  };

  #authenticateKey(key: string): MaybePromise<ClientPrincipal> {
    return chain(this.clientOfKey(key), ({ client, keyVersion }) =>
      this.#clientPrincipal(client, keyVersion, client.scopes),
    );
  }

  #authenticateToken(token: string): MaybePromise<Principal> {
    const { jobTokens, accessTokens } = this.#deps;
    if (jobTokens.recognises(token)) return this.#job(jobTokens.verify(token));
    return chain(accessTokens.verify(token), this.#ofClaims);
  }

  readonly #ofClaims = (claims: AccessClaims): MaybePromise<Principal> => {
    if (claims.kind === "user") return this.#user(claims.accountId, claims.sessionId);
    return this.#clientWithin(claims.clientId, claims.keyVersion, claims.scopes);
  };

  /** A scope that the client has lost since is lost to its tokens too. */
  #clientWithin(id: string, keyVersion: number, scopes: readonly string[]): MaybePromise<ClientPrincipal> {
    return chain(this.#client(id), (client) => {
      this.#usable(client, keyVersion);
      const left = client.scopes.filter((scope) => scopes.includes(scope));
      return this.#clientPrincipal(client, keyVersion, left.length === client.scopes.length ? client.scopes : left);
    });
  }

  #user(accountId: string, sessionId: string): MaybePromise<UserPrincipal> {
    return chain(this.#deps.sessionCache.get(sessionId), (session) => {
      if (session?.accountId !== accountId || !isSessionAlive(session, this.#deps.clock())) throw sessionEnded();
      return this.#userOf(session);
    });
  }

  #userOf(session: Session): MaybePromise<UserPrincipal> {
    return chain(this.#account(session.accountId), (account) => {
      if (!isSessionOf(session, account)) throw sessionEnded();
      this.#deps.sessionUse.note(session.id, session.lastUsedAt);
      return this.#principals.user(session, account);
    });
  }

  #client(id: string): MaybePromise<Client> {
    return chain(this.#deps.clientCache.get(id), (client) => {
      if (client === undefined || !isUsable(client, this.#deps.clock())) throw refused();
      return client;
    });
  }

  #clientPrincipal(client: Client, keyVersion: number, scopes: readonly Scope[]): ClientPrincipal {
    this.#deps.clientUse.note(client.id, client.lastUsedAt ?? 0);
    return this.#principals.client(client, keyVersion, scopes);
  }

  async #job({ jobId, attempt }: JobClaims): Promise<JobPrincipal> {
    const job = await this.#deps.jobs.get(jobId);
    if (job === undefined || hasEnded(job)) throw unauthenticated("JOB_ENDED", "the job of this token has ended");
    if (attempt !== null && (job.state !== "RUNNING" || job.attempt !== attempt)) {
      throw unauthenticated("LEASE_LOST", "the attempt of this token is over");
    }
    const owner = await unlessUnauthenticated(() => this.#owner(job.ownerId));
    if (owner === undefined) throw unauthenticated("OWNER_UNUSABLE", "the job's owner is disabled or gone");
    return { kind: "job", jobId, attempt, inputImageId: job.inputImageId, owner };
  }

  async #owner(id: string): Promise<JobPrincipal["owner"]> {
    if (isClientId(id)) return { kind: "client", client: await this.#client(id) };
    return { kind: "user", account: await this.#account(id) };
  }

  #account(id: string): MaybePromise<Account> {
    return chain(this.#deps.accountCache.get(id), usableAccount);
  }
}
