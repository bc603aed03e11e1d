import type { Account } from "../model/account.ts";
import { acceptsKeyVersion, type Client, isClientId, isUsable, type Scope } from "../model/client.ts";
import { DomainError, invalidField, unauthenticated } from "../model/errors.ts";
import { hasEnded } from "../model/image-job.ts";
import type { ClientPrincipal, JobPrincipal, Principal, UserPrincipal } from "../model/principal.ts";
import { isSessionAlive, isSessionOf, isSessionTokenAlive, type Session } from "../model/session.ts";
import type { Clock } from "../ports/clock.ts";
import {
  type AccessTokens,
  type ApiKeys,
  InvalidToken,
  type JobTokens,
  type NamedSecrets,
  type ServiceKey,
} from "../ports/credentials.ts";
import type { JobStore } from "../ports/job-store.ts";
import type { LastUse } from "./last-use.ts";
import type { Recent } from "./recent.ts";

/** Longer than any credential that is issued here. */
const credentialMax = 8192;

interface AuthenticationDeps {
  readonly recentAccounts: Recent<Account>;
  readonly recentClients: Recent<Client>;
  readonly recentSessions: Recent<Session>;
  readonly clientUse: LastUse;
  readonly sessionUse: LastUse;
  readonly jobs: JobStore;
  readonly accessTokens: AccessTokens;
  readonly apiKeys: ApiKeys;
  readonly jobTokens: JobTokens;
  /** Undefined where the first system's workers have none. */
  readonly serviceKey: ServiceKey | undefined;
  readonly sessionTokens: NamedSecrets;
  readonly clock: Clock;
  /** Who everybody is where authentication is switched off. */
  readonly everybody: UserPrincipal | undefined;
}

/** What a worker must hear, also where authentication is off. */
const workerReasons = ["JOB_ENDED", "LEASE_LOST"];

/**
 * Finds out whose a credential is. What it says is compared with the records as they are in the store, so revoking acts
 * at the next call here and, by the bound of `Recent`, within two seconds on every other server.
 */
export class Authentication {
  readonly #deps: AuthenticationDeps;

  constructor(deps: AuthenticationDeps) {
    this.#deps = deps;
  }

  /** Who makes a call with this credential, or with none; undefined when nobody is known. */
  identify(credential: string | undefined): Promise<Principal | undefined> {
    return this.#identify(credential, () => this.authenticate(credential ?? ""));
  }

  /** The same by a browser's session token, for what takes one. */
  identifySession(token: string | undefined): Promise<UserPrincipal | undefined> {
    return this.#identify(token, () => this.authenticateSession(token ?? ""));
  }

  /** Whether it can be a worker's, whose credentials alone come without a scheme too. */
  isOfWorker(credential: string): boolean {
    const { serviceKey, jobTokens } = this.#deps;
    if (credential.length > credentialMax) return false;
    return serviceKey?.matches(credential) === true || jobTokens.recognises(credential);
  }

  /** Rejects with `unauthenticated`; its reason tells a worker why its job's token ended. */
  async authenticate(credential: string): Promise<Principal> {
    if (credential.length > credentialMax) throw refused();
    if (this.#deps.serviceKey?.matches(credential)) return { kind: "worker" };
    try {
      if (credential.startsWith("dk_")) return await this.#authenticateKey(credential);
      if (this.#deps.jobTokens.recognises(credential)) return await this.#authenticateJob(credential);
      return await this.#authenticateAccess(credential);
    } catch (error) {
      throw error instanceof InvalidToken ? refused(error) : error;
    }
  }

  /** By a session token, which services ask Validate about; no call of the API takes it. */
  async authenticateSession(token: string): Promise<UserPrincipal> {
    const { recentSessions, sessionTokens, clock } = this.#deps;
    const named = sessionTokens.read(token);
    const session = named && (await recentSessions.get(named.id));
    if (named === undefined || session === undefined) throw refused();
    if (!sessionTokens.matches(named.hash, session.sessionTokenHash)) throw refused();
    if (!isSessionTokenAlive(session, clock())) throw sessionEnded();
    return this.#userOf(session);
  }

  /** Whose the credential is, of whatever kind, or undefined when it is not good. */
  async validate(credential: string): Promise<Principal | undefined> {
    if (credential === "") throw invalidField("credential", "must not be empty");
    const isSession = credential.startsWith("ds_");
    return unlessRefused(isSession ? this.authenticateSession(credential) : this.authenticate(credential));
  }

  /** Whose session it is, or undefined when there is none; where authentication is off, it is everybody's. */
  validateSession(token: string | undefined): Promise<UserPrincipal | undefined> {
    return unlessRefused(this.identifySession(token));
  }

  /** For calls that stay open: rejects once the principal's session, account, client, key or scopes are gone. */
  async confirm(principal: Principal): Promise<void> {
    if (principal === this.#deps.everybody) return;
    if (principal.kind === "user") await this.#user(principal.account.id, principal.sessionId);
    if (principal.kind === "client") await this.#confirmClient(principal);
  }

  /** The client whose key this is, and the version of the key. */
  async ofKey(key: string): Promise<{ client: Client; keyVersion: number }> {
    const { recentClients, apiKeys, clock } = this.#deps;
    const clientId = apiKeys.read(key);
    if (clientId === undefined) throw refused();
    const client = await recentClients.get(clientId);
    const hashes = [client?.keyHash, client?.previousKeyHash].flatMap((hash) => hash ?? []);
    const index = await apiKeys.verify(key, hashes);
    if (client === undefined || index === undefined) throw refused();
    const keyVersion = client.keyVersion - index;
    if (!isUsable(client, clock()) || !acceptsKeyVersion(client, keyVersion, clock())) throw refused();
    return { client, keyVersion };
  }

  async #identify<P extends Principal>(
    credential: string | undefined,
    authenticate: () => Promise<P>,
  ): Promise<P | UserPrincipal | undefined> {
    const { everybody } = this.#deps;
    if (credential === undefined) return everybody;
    try {
      return await authenticate();
    } catch (error) {
      if (everybody === undefined || !isRefusal(error) || workerReasons.includes(error.reason)) throw error;
      return everybody;
    }
  }

  async #authenticateKey(key: string): Promise<ClientPrincipal> {
    const { client, keyVersion } = await this.ofKey(key);
    return this.#clientPrincipal(client, keyVersion, client.scopes);
  }

  async #authenticateAccess(token: string): Promise<UserPrincipal | ClientPrincipal> {
    const claims = await this.#deps.accessTokens.verify(token);
    if (claims.kind === "user") return this.#user(claims.accountId, claims.sessionId);
    const { clientId, keyVersion } = claims;
    const client = await this.#clientByKey(clientId, keyVersion);
    // What the client has lost since is lost to its tokens too.
    const scopes = client.scopes.filter((scope) => claims.scopes.includes(scope));
    return this.#clientPrincipal(client, keyVersion, scopes);
  }

  async #confirmClient({ client: { id }, keyVersion, scopes }: ClientPrincipal): Promise<void> {
    const client = await this.#clientByKey(id, keyVersion);
    if (!scopes.every((scope) => client.scopes.includes(scope))) throw refused();
  }

  async #user(accountId: string, sessionId: string): Promise<UserPrincipal> {
    const session = await this.#deps.recentSessions.get(sessionId);
    if (session?.accountId !== accountId || !isSessionAlive(session, this.#deps.clock())) throw sessionEnded();
    return this.#userOf(session);
  }

  async #userOf(session: Session): Promise<UserPrincipal> {
    const account = await this.#account(session.accountId);
    if (!isSessionOf(session, account)) throw sessionEnded();
    this.#deps.sessionUse.note(session.id, session.lastUsedAt);
    return { kind: "user", account, sessionId: session.id };
  }

  async #client(id: string): Promise<Client> {
    const client = await this.#deps.recentClients.get(id);
    if (client === undefined || !isUsable(client, this.#deps.clock())) throw refused();
    return client;
  }

  async #clientByKey(id: string, keyVersion: number): Promise<Client> {
    const client = await this.#client(id);
    if (!acceptsKeyVersion(client, keyVersion, this.#deps.clock())) throw refused();
    return client;
  }

  #clientPrincipal(client: Client, keyVersion: number, scopes: readonly Scope[]): ClientPrincipal {
    this.#deps.clientUse.note(client.id, client.lastUsedAt ?? 0);
    return { kind: "client", client, keyVersion, scopes };
  }

  async #authenticateJob(token: string): Promise<JobPrincipal> {
    const { jobId, attempt } = await this.#deps.jobTokens.verify(token);
    const job = await this.#deps.jobs.get(jobId);
    if (job === undefined || hasEnded(job)) throw unauthenticated("JOB_ENDED", "the job of this token has ended");
    if (attempt !== null && (job.state !== "RUNNING" || job.attempt !== attempt)) {
      throw unauthenticated("LEASE_LOST", "the attempt of this token is over");
    }
    return { kind: "job", jobId, attempt, inputImageId: job.inputImageId, owner: await this.#owner(job.ownerId) };
  }

  async #owner(id: string): Promise<JobPrincipal["owner"]> {
    if (isClientId(id)) return { kind: "client", client: await this.#client(id) };
    return { kind: "user", account: await this.#account(id) };
  }

  async #account(id: string): Promise<Account> {
    const account = await this.#deps.recentAccounts.get(id);
    if (account === undefined || account.disabled)
      throw unauthenticated("ACCOUNT_UNUSABLE", "the account cannot be used");
    return account;
  }
}

function isRefusal(error: unknown): error is DomainError {
  return error instanceof DomainError && error.code === "unauthenticated";
}

function unlessRefused<P>(principal: Promise<P>): Promise<P | undefined> {
  return principal.catch((error: unknown) => {
    if (isRefusal(error)) return undefined;
    throw error;
  });
}

function sessionEnded(): DomainError {
  return unauthenticated("SESSION_ENDED", "the session has ended: log in again");
}

function refused(cause?: unknown): DomainError {
  const message = "the credential is not valid: log in or refresh it";
  return new DomainError("unauthenticated", "CREDENTIAL_INVALID", message, { cause });
}
