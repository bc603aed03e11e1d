import sharp, { type OutputInfo, type Sharp } from "sharp";

/** Raw 8-bit sRGB pixels (three channels) or an alpha plane (one), rows from the top without padding. */
export interface Frame {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

/** Opens a frame in sharp without copying its pixels. */
export function open({ pixels, width, height, channels }: Frame): Sharp {
  return sharp(pixels, { raw: { width, height, channels } });
}

/** Runs a frame through a sharp pipeline that keeps its channels. */
export async function through(frame: Frame, pipeline: (image: Sharp) => Sharp): Promise<Frame> {
  const { channels } = frame;
  const { data, info } = await rawOf(pipeline(open(frame)), channels);
  return { pixels: plain(data), width: info.width, height: info.height, channels };
}

export async function lumaOf(frame: Frame): Promise<Frame> {
  const { data } = await rawOf(open(frame).greyscale(), 1);
  return { ...frame, pixels: plain(data), channels: 1 };
}

function rawOf(image: Sharp, channels: Frame["channels"]): Promise<{ data: Buffer; info: OutputInfo }> {
  const space = channels === 1 ? "b-w" : "srgb";
  return image.toColourspace(space).raw().toBuffer({ resolveWithObject: true });
}

/** Loops over pixels are several times as fast if they never meet a Buffer, and a Buffer's `slice` does not copy. */
export function plain(data: Buffer): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function copyOf(frame: Frame): Frame {
  return { ...frame, pixels: new Uint8Array(frame.pixels) };
}

/** Effects that spread over neighbours grow with the picture, so that they look alike at every size: 1 at 1000 px. */
export function scaleOf({ width, height }: Frame): number {
  return Math.sqrt(width * height) / 1000;
}
