import { DomainError } from "../model/errors.ts";
import { type ImageType, imageBrokenOff } from "../model/image.ts";

/** Pictures at a service that somebody else runs. The service chooses their ids, and whoever knows an id may read the picture. */
export interface ImageService {
  /**
   * Stores everything `bytes` yields; resolves to the picture's id there, which was checked (`isId`). Rejects with what
   * `bytes` threw, with ImageServiceRefused, or with ImageServiceUnavailable; the begun request is then cut off, for
   * the service to throw away.
   */
  store(type: ImageType, bytes: AsyncIterable<Uint8Array>): Promise<string>;
  /**
   * The picture under a checked id, or undefined. Whoever has begun to read it must read to the end, or leave by
   * `return`; reading rejects with ImageBrokenOff when not everything comes.
   */
  fetch(id: string): Promise<FetchedImage | undefined>;
  /** Rejects when the service does not answer as it should; cheap. */
  ping(): Promise<void>;
}

export interface FetchedImage {
  /** Bytes; null when the service does not say. */
  readonly size: number | null;
  /** In pieces of at most 64 KiB, as they come: not inspected, and without end if the service sends none. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** The service answers, but refuses the picture, or gives it an id that cannot be fetched: a retry is useless. */
export class ImageServiceRefused extends DomainError {
  override readonly name = "ImageServiceRefused";

  constructor(cause?: unknown) {
    super("failed_precondition", "IMAGE_SERVICE_REFUSED", "the image service does not take the picture", { cause });
  }
}

/** The service is away, too slow, or its answer makes no sense. Callers get this error as it is. */
export class ImageServiceUnavailable extends DomainError {
  override readonly name = "ImageServiceUnavailable";

  constructor(cause?: unknown) {
    const message = "the image service cannot be used: try again in a moment";
    super("unavailable", "IMAGE_SERVICE_UNAVAILABLE", message, { retryAfterMs: 1000, cause });
  }
}

/** The service began to send a picture and fell silent or left, which may be the fault of that picture alone. */
export class ImageBrokenOff extends DomainError {
  override readonly name = "ImageBrokenOff";

  constructor(cause?: unknown) {
    const message = "the image service did not send the whole picture: try again in a moment";
    super("unavailable", imageBrokenOff, message, { retryAfterMs: 1000, cause });
  }
}
