import { invalidField } from "../../model/errors.ts";
import { type ImageType, imageMaxBytes, imageMaxPixels, imageTooLarge } from "../../model/image.ts";
import { type ImageHeader, imageType, readImageHeader } from "./image-header.ts";
import { JpegScans } from "./jpeg-scans.ts";

export interface Inspected {
  readonly type: ImageType;
  readonly width: number;
  readonly height: number;
  readonly size: number;
}

/** A picture's header must be found within this; longer metadata in front of it is refused. */
const headMax = 1024 * 1024;
/** The header is looked for at this many bytes, then each time the bytes have doubled, so that tiny pieces cost no more. */
const firstLook = 4096;
const pngEnd = Buffer.from([0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82]);

/**
 * Looks at a picture as it streams by: its type by its first bytes, its size in pixels by its header, and whether its
 * end has come. Pixels are not decoded here: that is the worker's business, in a process of its own.
 */
export class ImageInspector {
  #size = 0;
  #head: Uint8Array[] | undefined = [];
  #nextLook = firstLook;
  #found: { type: ImageType; width: number; height: number } | undefined;
  #end: EndSearch | undefined;

  /** The same bytes; throws `invalid_argument` on `data` as soon as they break a rule. */
  async *pass(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      this.#look(chunk);
      yield chunk;
    }
    if (this.#size === 0) throw invalidField("data", "must not be empty");
    this.#readHead(true);
    if (!this.#end?.isReached(this.#size)) throw invalidField("data", "is cut off: the picture's end is missing");
  }

  /** Whether the type and the size in pixels are known. */
  get hasHeader(): boolean {
    return this.#found !== undefined;
  }

  /** Final after all bytes have passed. Once the header has passed it can be read too, and `size` counts the bytes until then. */
  get result(): Inspected {
    if (this.#found === undefined) throw new Error("nothing was inspected");
    return { ...this.#found, size: this.#size };
  }

  #look(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
    if (this.#size > imageMaxBytes) throw imageTooLarge();
    if (this.#head === undefined) {
      this.#end?.look(chunk);
      return;
    }
    this.#head.push(chunk);
    if (this.#size >= this.#nextLook) this.#readHead(false);
  }

  #readHead(isAll: boolean): void {
    if (this.#head === undefined) return;
    const all = Buffer.concat(this.#head);
    this.#head = [all];
    this.#nextLook = 2 * all.length;
    // Never further than `headMax`, so that the verdict does not depend on how the bytes were cut into pieces.
    const head = all.subarray(0, headMax);
    const type = imageType(head);
    if (type === undefined) throw invalidField("data", "must be a JPEG, PNG or WebP picture");
    const header = readImageHeader(head, type);
    if (header === undefined && !isAll && all.length < headMax) return;
    if (header === undefined || header.width < 1 || header.height < 1) {
      throw invalidField("data", "has no readable picture header in its first 1 MiB");
    }
    this.#begin(all, type, header);
  }

  #begin(all: Buffer, type: ImageType, { width, height, dataAt }: ImageHeader): void {
    if (width * height > imageMaxPixels) {
      throw invalidField("data", `must have at most ${imageMaxPixels} pixels; it has ${width} × ${height}`);
    }
    this.#found = { type, width, height };
    this.#end = endOf(type, all);
    this.#end.look(all.subarray(dataAt));
    this.#head = undefined;
  }
}

interface EndSearch {
  look(chunk: Uint8Array): void;
  isReached(size: number): boolean;
}

function endOf(type: ImageType, head: Buffer): EndSearch {
  if (type === "image/webp") return lengthSearch(head.readUInt32LE(4) + 8);
  return type === "image/jpeg" ? new JpegScans() : markerSearch(pngEnd);
}

function markerSearch(marker: Buffer): EndSearch {
  let found = false;
  let carry = Buffer.alloc(0);
  return {
    look(chunk) {
      if (found) return;
      const seam = Buffer.concat([carry, chunk.subarray(0, marker.length - 1)]);
      found = seam.includes(marker) || Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).includes(marker);
      carry = Buffer.from(chunk.byteLength < marker.length ? seam : chunk).subarray(1 - marker.length);
    },
    isReached: () => found,
  };
}

function lengthSearch(length: number): EndSearch {
  return { look() {}, isReached: (size) => size >= length };
}
