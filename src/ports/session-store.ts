import type { Session } from "../model/session.ts";

export interface SessionStore {
  /** Rejects with DuplicateKey when the id is taken. */
  insert(session: Session): Promise<void>;
  get(id: string): Promise<Session | undefined>;
  /** Writes `session` if the stored one has the version before it; false, and nothing written, if not. */
  replace(session: Session): Promise<boolean>;
  /** Deleting what is not there is no error. */
  delete(id: string): Promise<void>;
  /** The account's sessions, ended or not, newest first, at most `limit`. */
  listByAccount(accountId: string, limit: number): Promise<Session[]>;
  /** Deletes all of the account's sessions but `exceptId`; resolves to the ids of those it deleted. */
  deleteByAccount(accountId: string, exceptId?: string): Promise<string[]>;
  /** Sets lastUsedAt, unless it is later already, without a new version. Not being there is no error. */
  touch(id: string, lastUsedAt: number): Promise<void>;
  /** Deletes sessions whose end (`sessionEnd`) has passed, at most `limit`; how many it deleted. */
  deleteEnded(now: number, limit: number): Promise<number>;
}
