import type { Image, ImageJobClient } from "./api.ts";
import { limited, silenceMaxMs } from "./call.ts";

/** A JPEG, PNG or WebP file's bytes; a browser's `File` is a `Blob`. */
export type Picture = Uint8Array | ArrayBuffer | Blob;

export interface DevelopedPicture {
  readonly image: Image;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** For `URL.createObjectURL`. */
  blob(): Blob;
}

export async function bytesOf(picture: Picture): Promise<Uint8Array> {
  if (picture instanceof Uint8Array) return picture;
  return new Uint8Array(picture instanceof ArrayBuffer ? picture : await picture.arrayBuffer());
}

/** Reads a picture, input or output. */
export async function fetchPicture(
  jobs: ImageJobClient,
  imageId: string,
  signal?: AbortSignal,
): Promise<DevelopedPicture> {
  let image: Image | undefined;
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const stream = limited(signal, silenceMaxMs);
  try {
    for await (const piece of jobs.getImage({ imageId }, { signal: stream.signal })) {
      stream.renew();
      image ??= piece.image;
      pieces.push(piece.data as Uint8Array<ArrayBuffer>);
    }
  } finally {
    stream.end();
  }
  if (image === undefined) throw new Error("the server sent no picture");
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
  const { contentType } = image;
  return { image, bytes, blob: () => new Blob([bytes], { type: contentType }) };
}
