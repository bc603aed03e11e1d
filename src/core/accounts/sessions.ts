import { randomUUID } from "node:crypto";
import { type Account, identityRule, isEmail, nameKey, passwordRule } from "../../model/account.ts";
import { auditSubject } from "../../model/audit.ts";
import { brokenFields, checkFields, type DomainError, notFound, unauthenticated } from "../../model/errors.ts";
import { isId } from "../../model/ids.ts";
import type { UserPrincipal } from "../../model/principal.ts";
import { isSessionAlive, isSessionOf, refreshGraceMs, type Session, sessionEnd } from "../../model/session.ts";
import { type Surface, termsOf } from "../../model/surface.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AccessTokens, NamedSecrets, Passwords, RefreshTokens } from "../../ports/credentials.ts";
import type { SessionStore } from "../../ports/session-store.ts";
import { refreshTokenInvalid, refreshTokenReused } from "../admission/refused-credentials.ts";
import { type Guessing, unknownNameKey } from "./guessing.ts";

export interface Tokens {
  readonly accessToken: string;
  readonly accessTokenIssuedAt: number;
  readonly accessTokenExpiresAt: number;
  readonly refreshToken: string;
  readonly refreshTokenExpiresAt: number;
}

/** An account, and the tokens that it calls with from now on. */
export interface SignedIn {
  readonly account: Account;
  readonly tokens: Tokens;
}

export interface Login extends SignedIn {
  /** Undefined unless it was asked for. */
  readonly sessionToken: string | undefined;
}

export interface LoginOptions {
  /** Whether a session token is wanted too. */
  readonly sessionToken?: boolean;
  readonly surface?: Surface;
}

export interface Device {
  readonly userAgent: string;
  readonly address: string;
}

const userAgentMax = 256;
/** The most sessions that are listed: an account's owner needs to see no more. */
const listedMax = 1000;

interface SessionsDeps {
  readonly accounts: AccountStore;
  readonly sessions: SessionStore;
  readonly passwords: Passwords;
  readonly accessTokens: AccessTokens;
  readonly refreshTokens: RefreshTokens;
  readonly sessionTokens: NamedSecrets;
  readonly guessing: Guessing;
  readonly clock: Clock;
}

export class Sessions {
  readonly #deps: SessionsDeps;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
  }

  /**
   * Unknown name, wrong password and disabled account get the same answer after the same work. After too many of them
   * the answer is `resource_exhausted`, whatever the password. On old systems' APIs what breaks a rule counts as wrong.
   */
  async login(identity: string, password: string, device: Device, options: LoginOptions = {}): Promise<Login> {
    const rules = { identity: () => identityRule(identity), password: () => passwordRule(password) };
    if ((options.surface ?? "own") === "own") checkFields(rules);
    else if (brokenFields(rules).length > 0) throw loginFailed();
    const { guessing, passwords } = this.#deps;
    const account = await this.#find(identity);
    const key = account?.id ?? unknownNameKey(nameKey(identity));
    const matches = await guessing.guard(key, device.address, async () => {
      const isRight = await passwords.verify(password, account?.passwordHash);
      return isRight && account?.disabled === false;
    });
    if (account === undefined || !matches) throw loginFailed(account);
    return this.begin(account, device, options);
  }

  /** Signs in somebody whose password was checked, or set, just now. */
  async begin(
    account: Account,
    device: Device,
    { sessionToken: isWanted = false, surface = "own" }: LoginOptions = {},
  ): Promise<Login> {
    const { clock, sessions, refreshTokens, sessionTokens } = this.#deps;
    const now = clock();
    const id = randomUUID();
    const refresh = refreshTokens.first(id);
    const sessionToken = isWanted ? sessionTokens.issue(id) : undefined;
    const session: Session = {
      id,
      accountId: account.id,
      surface,
      epoch: account.sessionEpoch,
      createdAt: now,
      expiresAt: now + termsOf[surface].lifeMs,
      idleAt: now + termsOf[surface].idleMs,
      lastUsedAt: now,
      refreshHash: refresh.hash,
      previousRefreshHash: null,
      refreshedAt: now,
      sessionTokenHash: sessionToken?.hash ?? null,
      userAgent: device.userAgent.slice(0, userAgentMax),
      address: device.address,
      version: 1,
    };
    await sessions.insert(session);
    if (!(await this.#isStillOf(session))) {
      await sessions.delete(id);
      throw loginFailed(account);
    }
    return { account, tokens: await this.#tokens(session, account, refresh.token), sessionToken: sessionToken?.token };
  }

  async refresh(token: string): Promise<SignedIn> {
    checkFields({ refresh_token: () => (token === "" ? "must not be empty" : undefined) });
    const { refreshTokens, sessions, accounts, clock } = this.#deps;
    // The time before the writes: a slow write must not make its own caller late.
    const now = clock();
    const known = refreshTokens.read(token);
    const session = known && (await sessions.get(known.sessionId));
    if (known === undefined || session === undefined || !isSessionAlive(session, now)) throw refreshTokenInvalid();
    const account = await accounts.get(session.accountId);
    if (account === undefined || account.disabled || !isSessionOf(session, account)) throw refreshTokenInvalid();

    const current = known.hash === session.refreshHash ? await this.#rotate(session, token, now) : session;
    if (!isRepeat(current, known.hash, now)) {
      await sessions.delete(session.id);
      throw refreshTokenReused(account.id);
    }
    return { account, tokens: await this.#tokens(current, account, refreshTokens.successor(token).token) };
  }

  /** The audit subject of a refresh token of ours, valid or not: its user, or its session once that is gone. Else empty. */
  async subjectOf(token: string): Promise<string> {
    const { refreshTokens, sessions } = this.#deps;
    const sessionId = refreshTokens.read(token)?.sessionId;
    const session = sessionId === undefined ? undefined : await sessions.get(sessionId);
    return session === undefined ? auditSubject("session", sessionId) : auditSubject("user", session.accountId);
  }

  /** Another access token, for callers without refresh tokens. This extends the session; the earlier token stays valid. */
  async renew({ account, sessionId }: UserPrincipal): Promise<string> {
    const now = this.#deps.clock();
    const session = await this.#deps.sessions.get(sessionId);
    if (session === undefined || !isSessionAlive(session, now)) throw refreshTokenInvalid();
    // On other APIs a stolen access token must not be renewed beyond its own short life.
    if (!termsOf[session.surface].isAccessEnough) throw refreshTokenInvalid();
    const renewed = await this.#goOn(session, now);
    return (await this.#deps.accessTokens.forSession(renewed, account)).token;
  }

  /** The account's sessions that are alive, the newest first. */
  async list(account: Account): Promise<Session[]> {
    const all = await this.#deps.sessions.listByAccount(account.id, listedMax);
    return all.filter((session) => isSessionAlive(session, this.#deps.clock()) && isSessionOf(session, account));
  }

  /** When the account's newest stored session began. */
  async lastStart(accountId: string): Promise<number | undefined> {
    return (await this.#deps.sessions.listByAccount(accountId, 1))[0]?.createdAt;
  }

  /** Somebody else's session is `not_found`, as if it did not exist. */
  async revoke(id: string, accountId: string): Promise<void> {
    const session = isId(id) ? await this.#deps.sessions.get(id) : undefined;
    if (session?.accountId !== accountId) throw notFound("session");
    await this.#deps.sessions.delete(id);
  }

  /** Resolves to the number of ended sessions. */
  async revokeOthers({ account, sessionId }: UserPrincipal): Promise<number> {
    return (await this.#deps.sessions.deleteByAccount(account.id, sessionId)).length;
  }

  async revokeAll(accountId: string): Promise<void> {
    await this.#deps.sessions.deleteByAccount(accountId);
  }

  async logout(sessionId: string): Promise<void> {
    await this.#deps.sessions.delete(sessionId);
  }

  async #isStillOf(session: Session): Promise<boolean> {
    const account = await this.#deps.accounts.get(session.accountId);
    return account?.disabled === false && isSessionOf(session, account);
  }

  #find(identity: string): Promise<Account | undefined> {
    const { accounts } = this.#deps;
    const key = nameKey(identity);
    return isEmail(identity) ? accounts.findByEmail(key) : accounts.findByUsername(key);
  }

  /** Makes the token's successor the current one. Of several callers at once, all get the session as the first wrote it. */
  #rotate(session: Session, token: string, now: number): Promise<Session> {
    const { refreshTokens } = this.#deps;
    const rotated = {
      ...session,
      refreshHash: refreshTokens.successor(token).hash,
      previousRefreshHash: session.refreshHash,
      refreshedAt: now,
    };
    return this.#goOn(rotated, now);
  }

  async #goOn(session: Session, now: number): Promise<Session> {
    const { sessions } = this.#deps;
    const next: Session = {
      ...session,
      lastUsedAt: now,
      idleAt: now + termsOf[session.surface].idleMs,
      version: session.version + 1,
    };
    if (await sessions.replace(next)) return next;
    const stored = await sessions.get(session.id);
    if (stored === undefined) throw refreshTokenInvalid();
    return stored;
  }

  async #tokens(session: Session, account: Account, refreshToken: string): Promise<Tokens> {
    const access = await this.#deps.accessTokens.forSession(session, account);
    return {
      accessToken: access.token,
      accessTokenIssuedAt: access.issuedAt,
      accessTokenExpiresAt: access.expiresAt,
      refreshToken,
      refreshTokenExpiresAt: sessionEnd(session),
    };
  }
}

function loginFailed(account?: Account): DomainError {
  return unauthenticated("LOGIN_FAILED", "the name or the password is wrong", auditSubject("user", account?.id));
}

/** Whether a spent refresh token still gives its successor: the answer may have been lost. */
function isRepeat(session: Session, hash: string, now: number): boolean {
  return session.previousRefreshHash === hash && now - session.refreshedAt <= refreshGraceMs;
}
