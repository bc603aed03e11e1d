import type { ImageType } from "../../model/image.ts";

/** What the first bytes of a picture say. Parsed by hand: the package for it reads past the end of its input. */
export interface ImageHeader {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Where the pixels' data begins; what comes before may hold other pictures whole, such as thumbnails. */
  readonly dataAt: number;
}

const signatures: readonly [ImageType, (head: Buffer) => boolean][] = [
  ["image/jpeg", (head) => head.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))],
  ["image/png", (head) => head.subarray(0, 8).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))],
  ["image/webp", (head) => text(head, 0) === "RIFF" && text(head, 8) === "WEBP"],
];

export function imageType(head: Buffer): ImageType | undefined {
  return signatures.find(([, matches]) => matches(head))?.[0];
}

/** Undefined while the header is not whole, or for ever when it is broken. */
export function readImageHeader(head: Buffer, type: ImageType): ImageHeader | undefined {
  if (type === "image/jpeg") return readJpeg(head);
  return type === "image/png" ? readPng(head) : readWebp(head);
}

/** ITU T.81, annex B: segments up to the first scan, exactly one of them a frame header with the size. */
function readJpeg(head: Buffer): ImageHeader | undefined {
  let size: { width: number; height: number } | undefined;
  let at = 2;
  while (at + 9 <= head.length) {
    const marker = head[at + 1] ?? 0;
    if (head[at] !== 0xff || !hasLength(marker)) return undefined;
    if (marker === 0xda) return size && { ...size, dataAt: at };
    if (isFrame(marker)) {
      if (size !== undefined) return undefined;
      size = { height: head.readUInt16BE(at + 5), width: head.readUInt16BE(at + 7) };
    }
    // A marker may be preceded by any number of fill bytes.
    at += marker === 0xff ? 1 : 2 + head.readUInt16BE(at + 2);
  }
  return undefined;
}

/** SOF0 to SOF15, without the three of that range that are other segments. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/**
 * Whether the marker is followed by a length: not RST0 to RST7, SOI and EOI, nor those below SOF0. Decoders go on right
 * after those, so skipping a length there would find other segments than they do.
 */
export function hasLength(marker: number): boolean {
  return marker >= 0xc0 && !(marker >= 0xd0 && marker <= 0xd9);
}

/** PNG, section 5: the first chunk has the size; pixels begin with the first IDAT. */
function readPng(head: Buffer): ImageHeader | undefined {
  if (head.length < 33 || text(head, 12) !== "IHDR") return undefined;
  const size = { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
  for (let at = 8; at + 8 <= head.length; at += 12 + head.readUInt32BE(at)) {
    if (text(head, at + 4) === "IDAT") return { ...size, dataAt: at };
  }
  return undefined;
}

/** RFC 9649: the first chunk is one of three kinds. */
function readWebp(head: Buffer): ImageHeader | undefined {
  if (head.length < 30) return undefined;
  const first = text(head, 12);
  if (first === "VP8X") return webp(head.readUIntLE(24, 3) + 1, head.readUIntLE(27, 3) + 1);
  if (first === "VP8 " && head.readUIntBE(23, 3) === 0x9d012a) {
    return webp(head.readUInt16LE(26) & 0x3fff, head.readUInt16LE(28) & 0x3fff);
  }
  if (first !== "VP8L" || head[20] !== 0x2f) return undefined;
  const bits = head.readUInt32LE(21);
  return webp((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
}

function webp(width: number, height: number): ImageHeader {
  return { width, height, dataAt: 0 };
}

/** The four letters of a chunk's name. */
function text(head: Buffer, at: number): string {
  return head.toString("latin1", at, at + 4);
}
