import { randomUUID } from "node:crypto";
import { type Account, identityRule, isEmail, nameKey, passwordRule } from "../model/account.ts";
import { checkFields, invalidField, unauthenticated } from "../model/errors.ts";
import {
  isSessionAlive,
  refreshGraceMs,
  type Session,
  sessionEnd,
  sessionIdleMs,
  sessionLifeMs,
} from "../model/session.ts";
import type { AccountStore } from "../ports/account-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { AccessTokens, Passwords, RefreshTokens } from "../ports/credentials.ts";
import type { SessionStore } from "../ports/session-store.ts";

export interface Tokens {
  readonly accessToken: string;
  readonly accessTokenExpiresAt: number;
  readonly refreshToken: string;
  readonly refreshTokenExpiresAt: number;
}

export interface Device {
  readonly userAgent: string;
  readonly address: string;
}

const userAgentMax = 256;

export class Sessions {
  readonly #accounts: AccountStore;
  readonly #sessions: SessionStore;
  readonly #passwords: Passwords;
  readonly #accessTokens: AccessTokens;
  readonly #refreshTokens: RefreshTokens;
  readonly #clock: Clock;

  constructor(deps: {
    accounts: AccountStore;
    sessions: SessionStore;
    passwords: Passwords;
    accessTokens: AccessTokens;
    refreshTokens: RefreshTokens;
    clock: Clock;
  }) {
    this.#accounts = deps.accounts;
    this.#sessions = deps.sessions;
    this.#passwords = deps.passwords;
    this.#accessTokens = deps.accessTokens;
    this.#refreshTokens = deps.refreshTokens;
    this.#clock = deps.clock;
  }

  /** Unknown name, wrong password and disabled account get the same answer after the same work. */
  async login(identity: string, password: string, device: Device): Promise<{ account: Account; tokens: Tokens }> {
    checkFields({ identity: () => identityRule(identity), password: () => passwordRule(password) });
    const account = await this.#find(identity);
    const matches = await this.#passwords.verify(password, account?.passwordHash);
    if (account === undefined || !matches || account.disabled) {
      throw unauthenticated("LOGIN_FAILED", "the name or the password is wrong");
    }
    return { account, tokens: await this.#start(account, device) };
  }

  async refresh(token: string): Promise<Tokens> {
    if (token === "") throw invalidField("refresh_token", "must not be empty");
    const known = this.#refreshTokens.read(token);
    const session = known && (await this.#sessions.get(known.sessionId));
    if (known === undefined || session === undefined || !isSessionAlive(session, this.#clock())) throw ended();
    const account = await this.#accounts.get(session.accountId);
    if (account === undefined || account.disabled) throw ended();

    const current = known.hash === session.refreshHash ? await this.#rotate(session, token) : session;
    if (!this.#isRepeat(current, known.hash)) {
      await this.#sessions.delete(session.id);
      throw ended();
    }
    return this.#tokens(current, this.#refreshTokens.successor(token).token);
  }

  async logout(sessionId: string): Promise<void> {
    await this.#sessions.delete(sessionId);
  }

  #find(identity: string): Promise<Account | undefined> {
    const key = nameKey(identity);
    return isEmail(identity) ? this.#accounts.findByEmail(key) : this.#accounts.findByUsername(key);
  }

  async #start(account: Account, device: Device): Promise<Tokens> {
    const now = this.#clock();
    const id = randomUUID();
    const refresh = this.#refreshTokens.first(id);
    const session: Session = {
      id,
      accountId: account.id,
      createdAt: now,
      expiresAt: now + sessionLifeMs,
      idleAt: now + sessionIdleMs,
      refreshHash: refresh.hash,
      previousRefreshHash: null,
      refreshedAt: now,
      userAgent: device.userAgent.slice(0, userAgentMax),
      address: device.address,
      version: 1,
    };
    await this.#sessions.insert(session);
    return this.#tokens(session, refresh.token);
  }

  /** The session with the token's successor as its current one, whoever of several callers at once wrote it. */
  async #rotate(session: Session, token: string): Promise<Session> {
    const now = this.#clock();
    const rotated: Session = {
      ...session,
      refreshHash: this.#refreshTokens.successor(token).hash,
      previousRefreshHash: session.refreshHash,
      refreshedAt: now,
      idleAt: now + sessionIdleMs,
      version: session.version + 1,
    };
    if (await this.#sessions.replace(rotated)) return rotated;
    const stored = await this.#sessions.get(session.id);
    if (stored === undefined) throw ended();
    return stored;
  }

  /** Whether the spent token may still have its successor: the answer may have been lost. */
  #isRepeat(session: Session, hash: string): boolean {
    return session.previousRefreshHash === hash && this.#clock() - session.refreshedAt <= refreshGraceMs;
  }

  async #tokens(session: Session, refreshToken: string): Promise<Tokens> {
    const access = await this.#accessTokens.issue({ accountId: session.accountId, sessionId: session.id });
    return {
      accessToken: access.token,
      accessTokenExpiresAt: access.expiresAt,
      refreshToken,
      refreshTokenExpiresAt: sessionEnd(session),
    };
  }
}

function ended() {
  return unauthenticated("REFRESH_TOKEN_INVALID", "the refresh token is not valid any more: log in again");
}
