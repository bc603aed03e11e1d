import type { ImageInfo } from "../../model/image.ts";
import type { ImageJob } from "../../model/image-job.ts";
import type { Principal } from "../../model/principal.ts";

export interface OpenedImage {
  readonly image: ImageInfo;
  /** In pieces of at most 64 KiB; rejects once the caller is no longer signed in. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Pictures, wherever they lie. A picture that the caller may not have is `not_found`, like one that does not exist. */
export interface Images {
  /**
   * Rejects with `invalid_argument` on `data` for what is no picture, with `failed_precondition` where a job's workers
   * have uploaded `jobUploadsMax` within a day.
   */
  upload(bytes: AsyncIterable<Uint8Array>, by: Principal): Promise<ImageInfo>;
  open(id: string, by: Principal): Promise<OpenedImage>;
  /** Keeps a picture of its owner's for a job; `not_found` for any other. */
  reserve(id: string, ownerId: string, until: number): Promise<void>;
  /** Gives a job's result to its owner; false when a picture is not the job's to name. Repeating it changes nothing. */
  adopt(ids: readonly string[], job: ImageJob, until: number): Promise<boolean>;
  /**
   * Deletes an owner's pictures. Here and in `sweep`, one that cannot be deleted does not stop the others; the rest is left
   * once `stopping` aborts.
   */
  deleteOf(ownerId: string, stopping?: AbortSignal): Promise<void>;
  /** Deletes pictures whose time has come. */
  sweep(stopping?: AbortSignal): Promise<void>;
}
