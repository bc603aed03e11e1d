import type { Client } from "../model/client.ts";
import type { Cursor } from "../model/page.ts";

/** API clients by id. Every method may reject when the engine cannot be reached. */
export interface ClientStore {
  /** Rejects with DuplicateKey when the id is taken. */
  insert(client: Client): Promise<void>;
  get(id: string): Promise<Client | undefined>;
  /** Writes `client` if the stored one has the version before it; false, and nothing written, if not. */
  replace(client: Client): Promise<boolean>;
  /** Whether it was there. */
  delete(id: string): Promise<boolean>;
  /** Newest first: by createdAt, then by id, both descending; only those after `after`. */
  list(after: Cursor | undefined, limit: number): Promise<Client[]>;
  /** Sets lastUsedAt, unless it is later already, without a new version. Not being there is no error. */
  touch(id: string, lastUsedAt: number): Promise<void>;
}
