import sharp from "sharp";
import { ImageInspector, type Inspected } from "../../src/core/images/image-inspector.ts";
import { DomainError } from "../../src/model/errors.ts";
import { pngChunk } from "../support/pictures.ts";

export async function picture(format: "jpeg" | "png" | "webp", { width = 61, height = 43 } = {}): Promise<Buffer> {
  const noise = { type: "gaussian" as const, mean: 128, sigma: 60 };
  return sharp({ create: { width, height, channels: 3, background: "white", noise } })
    .toFormat(format)
    .toBuffer();
}

/** What the inspector makes of the bytes: what it found, or why it refused them. */
export async function inspect(bytes: Buffer, sizes: readonly number[] = [bytes.length]): Promise<Inspected | string> {
  const inspector = new ImageInspector();
  try {
    const passed: Uint8Array[] = [];
    for await (const chunk of inspector.pass(cut(bytes, sizes))) passed.push(chunk);
    if (!Buffer.concat(passed).equals(bytes)) throw new Error("the bytes were changed");
    return inspector.result;
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== "invalid_argument") throw error;
    if (error.violations.length !== 1 || error.violations[0]?.field !== "data") throw error;
    return error.violations[0].rule;
  }
}

/** Pieces of these sizes, the last size again and again until all is given. */
async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let index = 0; at < bytes.length; index += 1) {
    const size = sizes[Math.min(index, sizes.length - 1)] || 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const pngHeaderEnd = 33;

/** The PNG with another size in its header, and the header's checksum right. */
export function withPngSize(png: Buffer, width: number, height: number): Buffer {
  const header = Buffer.from(png.subarray(16, 29));
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  return Buffer.concat([png.subarray(0, 8), pngChunk("IHDR", header), png.subarray(pngHeaderEnd)]);
}

/** The PNG with metadata after its header. */
export function withPngMetadata(png: Buffer, data: Buffer): Buffer {
  return Buffer.concat([png.subarray(0, pngHeaderEnd), pngChunk("prVt", data), png.subarray(pngHeaderEnd)]);
}

/** The PNG with metadata of so many bytes after its pixels. */
export function padded(png: Buffer, bytes: number): Buffer {
  const end = png.length - 12;
  return Buffer.concat([png.subarray(0, end), pngChunk("prVt", Buffer.alloc(bytes)), png.subarray(end)]);
}

/** The JPEG with segments of metadata in front of its header. */
export function withJpegSegments(jpeg: Buffer, marker: number, segments: readonly Buffer[]): Buffer {
  const written = segments.map((data) => {
    const head = Buffer.from([0xff, marker, 0, 0]);
    head.writeUInt16BE(data.length + 2, 2);
    return Buffer.concat([head, data]);
  });
  return Buffer.concat([jpeg.subarray(0, 2), ...written, jpeg.subarray(2)]);
}
