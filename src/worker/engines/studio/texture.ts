import { type Frame, scaleOf } from "../picture/frame.ts";
import { drawNoiseTile, tileDeviation, tileSide } from "./noise.ts";

const vignetteSteps = 4096;

/** Darkens by the distance from the centre, measured so that every corner is at 1. In place. */
export function vignette(frame: Frame, amount: number): Frame {
  const { pixels, width, height } = frame;
  const factors = vignetteFactors(amount);
  const across = halfSquaredDistances(width);
  const down = halfSquaredDistances(height);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const factor = factors[((across[x] ?? 0) + (down[y] ?? 0)) | 0] ?? 0;
      pixels[at] = ((pixels[at] ?? 0) * factor + 32_768) >> 16;
      pixels[at + 1] = ((pixels[at + 1] ?? 0) * factor + 32_768) >> 16;
      pixels[at + 2] = ((pixels[at + 2] ?? 0) * factor + 32_768) >> 16;
    }
  }
  return frame;
}

/** Brightness by squared distance, in 65536ths: untouched in the middle, 38 % in the corners at amount 1. */
function vignetteFactors(amount: number): Uint32Array {
  return Uint32Array.from({ length: vignetteSteps + 1 }, (_, step) => {
    const beyond = Math.max(0, step / vignetteSteps - 0.12) / 0.88;
    return Math.round(65_536 * Math.exp(-0.97 * amount * beyond ** 1.3));
  });
}

function halfSquaredDistances(length: number): Float64Array {
  const middle = (length - 1) / 2;
  const reach = Math.max(middle, 0.5);
  return Float64Array.from({ length }, (_, at) => (((at - middle) / reach) ** 2 * vignetteSteps) / 2);
}

/** Film grain: the same noise in all channels, strongest in the mid-tones. In place. */
export function addGrain(frame: Frame, amount: number, seed: number): Frame {
  const { pixels, width, height } = frame;
  const tile = drawNoiseTile(seed, 1.4 * scaleOf(frame));
  const weights = grainWeights(amount);
  let at = 0;
  for (let y = 0; y < height; y++) {
    const row = (y % tileSide) * tileSide;
    for (let x = 0; x < width; x++, at += 3) {
      const red = pixels[at] ?? 0;
      const green = pixels[at + 1] ?? 0;
      const blue = pixels[at + 2] ?? 0;
      const luma = (red * 77 + green * 150 + blue * 29) >> 8;
      const grain = ((tile[row + (x % tileSide)] ?? 0) * (weights[luma] ?? 0) + 32_768) >> 16;
      pixels[at] = Math.max(0, Math.min(255, red + grain));
      pixels[at + 1] = Math.max(0, Math.min(255, green + grain));
      pixels[at + 2] = Math.max(0, Math.min(255, blue + grain));
    }
  }
  return frame;
}

/** The grain's weight by luma, in 65536ths of the tile's values: a deviation of 11 levels in the mid-tones at amount 1. */
function grainWeights(amount: number): Uint32Array {
  const strongest = (11 * amount * 65_536) / tileDeviation;
  return Uint32Array.from({ length: 256 }, (_, luma) => {
    const x = luma / 255;
    return Math.round(strongest * (0.35 + 0.65 * 4 * x * (1 - x)));
  });
}
