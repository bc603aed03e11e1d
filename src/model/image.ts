import { type DomainError, invalidField } from "./errors.ts";

export type ImageType = "image/jpeg" | "image/png" | "image/webp";

/** What a caller is told of a picture; null for what an image service does not tell. */
export interface ImageInfo {
  readonly id: string;
  readonly type: ImageType;
  /** Pixels, as stored. */
  readonly width: number;
  readonly height: number;
  /** Bytes. */
  readonly size: number | null;
  readonly createdAt: number | null;
  /** When the sweeper deletes it. */
  readonly expiresAt: number | null;
}

/** What is known of a picture of our own store; its bytes lie in the blob store under the same id. */
export interface Image extends ImageInfo {
  /** The account or client it belongs to; null while a worker's picture is no accepted result. */
  readonly ownerId: string | null;
  /** The job whose token uploaded it, or whose result it became; null for a person's upload. */
  readonly jobId: string | null;
  readonly size: number;
  /** False until every byte is stored: such a picture does not exist for anyone. */
  readonly ready: boolean;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export const imageMaxBytes = 20 * 1024 * 1024;
export const imageMaxPixels = 50_000_000;
/** How many pictures a job's workers may upload in a day: its results, and what they upload again. */
export const jobUploadsMax = 100;
/** The reason of a picture that an image service began to send, and not to its end; also of a job's attempt that failed by it. */
export const imageBrokenOff = "IMAGE_BROKEN_OFF";
/** Progressive pictures as cameras and programs write them have about ten. */
export const jpegScansMax = 100;

/** For a picture that has more than `imageMaxBytes`. */
export function imageTooLarge(): DomainError {
  return invalidField("data", `must have at most ${imageMaxBytes} bytes (20 MiB)`);
}
