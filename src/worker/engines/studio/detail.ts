import { type Frame, lumaOf, scaleOf, through } from "../picture/frame.ts";
import { tableOf } from "./curves.ts";
import { drawNoiseTile, tileSide } from "./noise.ts";

/** Sharp leaves a picture alone below about 0.6 pixels; beyond 80, blurs are slow and look no softer. */
function blurRadius(pixels: number): number {
  return Math.max(0.6, Math.min(80, pixels));
}

export function soften(frame: Frame, amount: number): Promise<Frame> {
  return through(frame, (image) => image.blur(blurRadius(amount * Math.max(1.2, 3.2 * scaleOf(frame)))));
}

export function sharpen(frame: Frame, amount: number): Promise<Frame> {
  const sigma = Math.max(0.6, Math.min(3, scaleOf(frame)));
  return through(frame, (image) => image.sharpen({ sigma, m1: 0.6 * amount, m2: 2.2 * amount, x1: 1.5 }));
}

/**
 * Pencil on paper: the luma divided by its own blur leaves dark lines where light changes, and a little of the luma
 * gives the shading.
 */
export async function sketch(frame: Frame, amount: number): Promise<Frame> {
  const luma = await lumaOf(frame);
  const blurred = await through(luma, (image) => image.blur(blurRadius(Math.max(1, 5 * scaleOf(frame)))));
  draw(frame, luma.pixels, blurred.pixels, amount);
  return frame;
}

function draw(frame: Frame, luma: Uint8Array, blurred: Uint8Array, amount: number): void {
  const { pixels, width } = frame;
  const pressure = 1.6 + 1.2 * Math.max(1, amount);
  const lines = tableOf((x) => x ** pressure);
  const shades = tableOf((x) => 0.7 + 0.3 * Math.min(1, x * 1.25));
  const paper = drawNoiseTile(1, scaleOf(frame));
  const weight = Math.round(Math.min(1, amount) * 256);
  for (let i = 0, x = 0, y = 0; i < luma.length; i++) {
    const light = luma[i] ?? 0;
    const line = lines[Math.min(255, ((light * 255) / Math.max(1, blurred[i] ?? 0)) | 0)] ?? 0;
    const shade = shades[light] ?? 0;
    const tooth = ((paper[((y & (tileSide - 1)) * tileSide) | (x & (tileSide - 1))] ?? 0) * (290 - shade)) >> 8;
    const grey = Math.max(0, Math.min(252, ((line * shade) >> 8) + (tooth >> 1)));
    for (let at = i * 3; at < i * 3 + 3; at++) {
      pixels[at] = (pixels[at] ?? 0) + (((grey - (pixels[at] ?? 0)) * weight) >> 8);
    }
    x += 1;
    if (x === width) {
      x = 0;
      y += 1;
    }
  }
}
