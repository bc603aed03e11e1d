import type { Account } from "../model/account.ts";

/**
 * Accounts by id and by name. Every method may reject when the engine cannot be reached.
 * Keys are compared byte by byte: letter case is the caller's matter (`nameKey`).
 */
export interface AccountStore {
  /** Rejects with DuplicateKey, and stores nothing, when the id, recordId, usernameKey or emailKey is taken. */
  insert(account: Account): Promise<void>;
  get(id: string): Promise<Account | undefined>;
  findByUsername(usernameKey: string): Promise<Account | undefined>;
  findByEmail(emailKey: string): Promise<Account | undefined>;
  hasAdmin(): Promise<boolean>;
}
