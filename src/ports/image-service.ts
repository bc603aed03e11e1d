import { DomainError } from "../model/errors.ts";
import type { ImageType } from "../model/image.ts";

/** Pictures at a service that somebody else runs. It makes up their ids, and whoever knows one may read it. */
export interface ImageService {
  /**
   * Stores everything `bytes` yields; its id there, which was checked (`isId`). Rejects with what `bytes` threw, with
   * ImageServiceRefused, or with ImageServiceUnavailable; what was begun is then cut off, for the service to throw away.
   */
  store(type: ImageType, bytes: AsyncIterable<Uint8Array>): Promise<string>;
  /**
   * What is there under a checked id, or undefined. Whoever has begun to read it must end, or leave by `return`; reading
   * rejects with ImageServiceUnavailable when not everything comes.
   */
  fetch(id: string): Promise<FetchedImage | undefined>;
  /** Rejects when the service does not answer as it should; cheap. */
  ping(): Promise<void>;
}

export interface FetchedImage {
  /** Bytes; null when the service does not say. */
  readonly size: number | null;
  /** In pieces of at most 64 KiB, as they come: not inspected, at most as many as a picture may have. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** The service answers, but takes no such picture, or names it so that it cannot be fetched: another try is in vain. */
export class ImageServiceRefused extends DomainError {
  override readonly name = "ImageServiceRefused";

  constructor(cause?: unknown) {
    super("failed_precondition", "IMAGE_SERVICE_REFUSED", "the image service does not take the picture", { cause });
  }
}

/** The service is away, too slow, or answers what makes no sense. It goes to the caller as it is. */
export class ImageServiceUnavailable extends DomainError {
  override readonly name = "ImageServiceUnavailable";

  constructor(cause?: unknown) {
    const message = "the image service cannot be used: try again in a moment";
    super("unavailable", "IMAGE_SERVICE_UNAVAILABLE", message, { retryAfterMs: 1000, cause });
  }
}
