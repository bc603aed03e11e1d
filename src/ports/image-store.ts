import type { Image } from "../model/image.ts";

/** The records of pictures; the bytes are in the BlobStore under the same id. */
export interface ImageStore {
  /** Rejects with DuplicateKey when the id is taken. */
  insert(image: Image): Promise<void>;
  get(id: string): Promise<Image | undefined>;
  /** Writes all fields of an image that is there; false when it is not. */
  update(image: Image): Promise<boolean>;
  /** Writes all fields like `update`, if the stored image has no owner; false, and nothing written, if it has. */
  adopt(image: Image): Promise<boolean>;
  /** Makes the image expire no earlier than `expiresAt`; false when it is not there or has expired by `now`. */
  keepUntil(id: string, expiresAt: number, now: number): Promise<boolean>;
  /** An owner's images, ready or not, in any order. */
  listByOwner(ownerId: string, limit: number): Promise<Image[]>;
  /** Images whose expiresAt has come, ready or not, the longest expired first. */
  expired(now: number, limit: number): Promise<Image[]>;
  delete(id: string): Promise<void>;
}
