import type { Principal } from "../../model/principal.ts";
import { hourMs } from "../../model/time.ts";
import type { BlobStore } from "../../ports/blob-store.ts";
import { type Clock, clockSkewMs } from "../../ports/clock.ts";
import { StoreUnavailable } from "../../ports/store-errors.ts";
import type { Authentication } from "../admission/authentication.ts";
import { deleteAll } from "../delete-all.ts";

/** How long an upload may take; after that its bytes are swept. */
export const uploadMaxMs = hourMs;

type Found = Promise<readonly { readonly id: string }[]>;

/** Records of what was uploaded; the bytes are in the blob store under the same id. */
interface UploadStore {
  listByOwner(ownerId: string, limit: number): Found;
  expired(now: number, limit: number): Found;
  delete(id: string): Promise<void>;
}

interface UploadsDeps {
  readonly blobs: BlobStore;
  readonly authentication: Pick<Authentication, "confirm">;
  readonly clock: Clock;
}

/** Bytes that callers upload, with their records. A record comes before its bytes and goes after them, so none are forgotten. */
export class Uploads {
  readonly #store: UploadStore;
  readonly #deps: UploadsDeps;

  constructor(store: UploadStore, deps: UploadsDeps) {
    this.#store = store;
    this.#deps = deps;
  }

  /** Runs `complete`, which stores the bytes of a record that is there; leaves nothing of both when that fails. */
  async take<T>(id: string, by: Principal, complete: () => Promise<T>): Promise<T> {
    try {
      // An account that was deleted during the upload stores nothing.
      return await complete().finally(() => this.#deps.authentication.confirm(by));
    } catch (error) {
      // A write without an answer may still happen, and a failed delete leaves the record: the sweeper comes for both.
      if (!(error instanceof StoreUnavailable)) await this.#delete(id).catch(() => {});
      throw error;
    }
  }

  deleteOf(ownerId: string, stopping?: AbortSignal): Promise<void> {
    return deleteAll(
      (limit) => this.#store.listByOwner(ownerId, limit),
      (id) => this.#delete(id),
      stopping,
    );
  }

  /** Deletes what has expired. */
  sweep(stopping?: AbortSignal): Promise<void> {
    return deleteAll(
      (limit) => this.#store.expired(this.#deps.clock() - clockSkewMs, limit),
      (id) => this.#delete(id),
      stopping,
    );
  }

  async #delete(id: string): Promise<void> {
    await this.#deps.blobs.delete(id);
    await this.#store.delete(id);
  }
}
