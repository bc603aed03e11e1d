import type { Account } from "../model/account.ts";

export interface AccountQuery {
  /** The key that accounts are looked up and sorted by. */
  readonly by: "usernameKey" | "emailKey";
  /** What the key begins with; all when empty. */
  readonly prefix: string;
  /** Only accounts whose key is greater; all when undefined. */
  readonly after: string | undefined;
  readonly limit: number;
}

/**
 * Accounts by id and by name. Every method may reject when the engine cannot be reached.
 * Keys are compared and ordered byte by byte: letter case is the caller's matter (`nameKey`).
 */
export interface AccountStore {
  /** Rejects with DuplicateKey, and stores nothing, when the id, recordId, usernameKey or emailKey is taken. */
  insert(account: Account): Promise<void>;
  get(id: string): Promise<Account | undefined>;
  findByRecordId(recordId: string): Promise<Account | undefined>;
  findByUsername(usernameKey: string): Promise<Account | undefined>;
  findByEmail(emailKey: string): Promise<Account | undefined>;
  /**
   * Writes `account` if the stored one has the version before it; false, and nothing written, if not. Rejects with
   * DuplicateKey when its recordId, usernameKey or emailKey is another's.
   */
  replace(account: Account): Promise<boolean>;
  /** Whether it was there. */
  delete(id: string): Promise<boolean>;
  list(query: AccountQuery): Promise<Account[]>;
  /** Deleted accounts whose records are still there, in any order. */
  listDeleted(limit: number): Promise<Account[]>;
  /** Administrators, disabled ones too, in any order. */
  listAdmins(limit: number): Promise<Account[]>;
}
