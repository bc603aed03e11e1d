import type { StoredFile } from "../model/file.ts";

/** The records of files; the bytes are in the BlobStore under the same id. */
export interface FileStore {
  /** Rejects with DuplicateKey when the id or the nameKey is taken. */
  insert(file: StoredFile): Promise<void>;
  get(id: string): Promise<StoredFile | undefined>;
  findByNameKey(nameKey: string): Promise<StoredFile | undefined>;
  /** Writes all fields of a file that is there; false when it is not. Rejects with DuplicateKey when the nameKey is taken. */
  update(file: StoredFile): Promise<boolean>;
  /** An owner's files, ready or not, in any order. */
  listByOwner(ownerId: string, limit: number): Promise<StoredFile[]>;
  /** Files whose expiresAt has come, ready or not, the longest expired first. */
  expired(now: number, limit: number): Promise<StoredFile[]>;
  /** Deleting what is not there is no error. */
  delete(id: string): Promise<void>;
}
