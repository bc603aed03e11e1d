/** Bytes by id. Ids are checked (`isId`) before they come here. */
export interface BlobStore {
  /**
   * Stores everything `bytes` yields. When it resolves, the blob survives a power cut. When it rejects (with what
   * `bytes` threw, or its own error), nothing is left; after StoreUnavailable something may be, and is gone after
   * `delete`. A blob that is not whole is never seen.
   */
  write(id: string, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** The blob's bytes in pieces of at most 64 KiB, or undefined when there is none. */
  read(id: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Deleting what is not there is no error. */
  delete(id: string): Promise<void>;
}
