import { imageSize } from "image-size";
import { invalidField } from "../model/errors.ts";
import { type ImageType, imageMaxBytes, imageMaxPixels } from "../model/image.ts";

export interface Inspected {
  readonly type: ImageType;
  readonly width: number;
  readonly height: number;
  readonly size: number;
}

/** A picture's header must be found within this; longer metadata in front of it is refused. */
const headMax = 1024 * 1024;
/** The header is first looked for in this much, then each time that has doubled, so that tiny pieces cost no more. */
const firstLook = 4096;
const jpegEnd = Buffer.from([0xff, 0xd9]);
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

  /** After everything has passed. */
  get result(): Inspected {
    if (this.#found === undefined) throw new Error("nothing was inspected");
    return { ...this.#found, size: this.#size };
  }

  #look(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
    if (this.#size > imageMaxBytes) throw invalidField("data", `must have at most ${imageMaxBytes} bytes (20 MiB)`);
    if (this.#head === undefined) {
      this.#end?.look(chunk);
      return;
    }
    this.#head.push(chunk);
    if (this.#size >= this.#nextLook) this.#readHead(false);
  }

  #readHead(isAll: boolean): void {
    if (this.#head === undefined) return;
    const head = Buffer.concat(this.#head);
    this.#head = [head];
    this.#nextLook = 2 * head.length;
    const type = imageType(head);
    if (type === undefined) throw invalidField("data", "must be a JPEG, PNG or WebP picture");
    const header = readHeader(head, type);
    if (header === undefined) {
      if (isAll || head.length > headMax) throw invalidField("data", "has no readable picture header");
      return;
    }
    const { width, height } = header;
    if (width < 1 || height < 1) throw invalidField("data", "has no readable picture header");
    if (width * height > imageMaxPixels) {
      throw invalidField("data", `must have at most ${imageMaxPixels} pixels; it has ${width} × ${height}`);
    }
    this.#found = { type, width, height };
    this.#end = header.end;
    this.#end.look(head.subarray(header.endFrom));
    this.#head = undefined;
  }
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly end: EndSearch;
  /** Where in the head the search for the end begins. */
  readonly endFrom: number;
}

interface EndSearch {
  look(chunk: Uint8Array): void;
  isReached(size: number): boolean;
}

function imageType(head: Buffer): ImageType | undefined {
  if (head.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return "image/jpeg";
  if (head.subarray(0, 8).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))) return "image/png";
  return head.toString("latin1", 0, 4) === "RIFF" && head.toString("latin1", 8, 12) === "WEBP"
    ? "image/webp"
    : undefined;
}

/** Undefined while the header is not whole, or for ever when it is broken. */
function readHeader(head: Buffer, type: ImageType): Header | undefined {
  try {
    if (type === "image/jpeg") {
      const scan = jpegScanStart(head);
      return scan === undefined ? undefined : { ...imageSize(head), end: markerSearch(jpegEnd), endFrom: scan };
    }
    if (type === "image/png") return { ...imageSize(head), end: markerSearch(pngEnd), endFrom: 0 };
    return { ...imageSize(head), end: lengthSearch(head.readUInt32LE(4) + 8), endFrom: 0 };
  } catch {
    return undefined;
  }
}

/** Where the first scan's header begins. The thumbnail in a JPEG's metadata, with an end of its own, lies before it. */
function jpegScanStart(head: Buffer): number | undefined {
  let at = 2;
  while (at + 4 <= head.length) {
    if (head[at] !== 0xff) return undefined;
    if (head[at + 1] === 0xda) return at;
    // A marker may be preceded by any number of fill bytes.
    at += head[at + 1] === 0xff ? 1 : 2 + head.readUInt16BE(at + 2);
  }
  return undefined;
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
