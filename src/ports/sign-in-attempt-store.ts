import type { SignInAttempts } from "../model/guessing.ts";

/** Tries to sign in, shared by all servers. Every method may reject when the engine cannot be reached. */
export interface SignInAttemptStore {
  get(id: string): Promise<SignInAttempts | undefined>;
  /** Rejects with DuplicateKey when the id is taken. */
  insert(attempts: SignInAttempts): Promise<void>;
  /** Writes `attempts` if the stored ones have the version before; false, and nothing written, if not. */
  replace(attempts: SignInAttempts): Promise<boolean>;
  /** Deleting what is not there is no error. */
  delete(id: string): Promise<void>;
  /** Deletes attempts whose lastAt is less, the oldest first, at most `limit`; resolves to their number. */
  deleteBefore(lastAt: number, limit: number): Promise<number>;
}
