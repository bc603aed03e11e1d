import { createHash } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";

type Format = "jpeg" | "png" | "webp";

const plain = { width: 24, height: 16, channels: 3, background: { r: 200, g: 90, b: 40 } } as const;

/** A small picture of one colour: 24 × 16 pixels, a few hundred bytes. */
export async function smallPicture(format: Format = "png"): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await sharp({ create: plain }).toFormat(format).toBuffer());
}

/** A picture that no format makes small: about 3 bytes a pixel as PNG. The same bytes each time. */
export async function noisyPicture(side: number, format: Format = "png"): Promise<Uint8Array<ArrayBuffer>> {
  const pixels = Buffer.alloc(side * side * 3);
  for (let at = 0; at < pixels.length; at += 32) createHash("sha256").update(String(at)).digest().copy(pixels, at);
  const raw = { width: side, height: side, channels: 3 } as const;
  return Uint8Array.from(await sharp(pixels, { raw }).toFormat(format).toBuffer());
}

/** A PNG whose header promises more pixels than its few bytes could ever hold. */
export function pngBomb(width: number, height: number): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const data = deflateSync(Buffer.alloc(64));
  return Uint8Array.from(
    Buffer.concat([signature, pngChunk("IHDR", header), pngChunk("IDAT", data), pngChunk("IEND", Buffer.alloc(0))]),
  );
}

/** A whole PNG with bytes of no meaning in front of its end, so that it has exactly `size` bytes. */
export async function paddedPng(size: number): Promise<Uint8Array<ArrayBuffer>> {
  const png = Buffer.from(await smallPicture("png"));
  const overhead = 12;
  const end = png.length - overhead;
  const padding = pngChunk("teSt", Buffer.alloc(size - png.length - overhead));
  return Uint8Array.from(Buffer.concat([png.subarray(0, end), padding, png.subarray(end)]));
}

export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
