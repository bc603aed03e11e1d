import type { Account } from "./account.ts";
import type { Surface } from "./surface.ts";
import { dayMs } from "./time.ts";

/** How long a session token lives, and how long after its session was last used. */
export const sessionTokenLifeMs = 7 * dayMs;
const sessionTokenIdleMs = dayMs;

/** How long a spent refresh token still gives its successor, while that one is unused. */
export const refreshGraceMs = 30_000;

/** A login. Ending it deletes it; then every credential bound to it is refused. */
export interface Session {
  /** UUID; `sid` in access tokens. */
  readonly id: string;
  readonly accountId: string;
  readonly surface: Surface;
  /** The account's epoch when the session began. */
  readonly epoch: number;
  readonly createdAt: number;
  /** When it ends, used or not. */
  readonly expiresAt: number;
  /** When it ends unless its refresh token is used before. */
  readonly idleAt: number;
  /** When a credential of it was last used; written at most once a minute, without a new version. */
  readonly lastUsedAt: number;
  /** SHA-256 of the refresh token that is good now. */
  readonly refreshHash: string;
  /** SHA-256 of the refresh token before, for a caller that lost the answer. */
  readonly previousRefreshHash: string | null;
  readonly refreshedAt: number;
  /** SHA-256 of its session token, or null when none was asked for. */
  readonly sessionTokenHash: string | null;
  /** Names the client that logged in, for the owner to read; cut to 256 characters. */
  readonly userAgent: string;
  readonly address: string;
  readonly version: number;
}

export function sessionEnd(session: Session): number {
  return Math.min(session.expiresAt, session.idleAt);
}

export function isSessionAlive(session: Session, now: number): boolean {
  return now < sessionEnd(session);
}

/**
 * Whether the session began after the account last ended all its sessions, or was kept. Its epoch may be the greater
 * one: this server may still hold an older record of the account.
 */
export function isSessionOf({ id, epoch }: Session, { sessionEpoch, keptSessionId }: Account): boolean {
  return epoch >= sessionEpoch || id === keptSessionId;
}

/** Whether its session token works; the hash is compared elsewhere. */
export function isSessionTokenAlive(session: Session, now: number): boolean {
  const end = Math.min(session.createdAt + sessionTokenLifeMs, session.lastUsedAt + sessionTokenIdleMs);
  return isSessionAlive(session, now) && now < end;
}
