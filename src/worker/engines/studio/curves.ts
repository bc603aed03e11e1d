import type { Frame } from "../picture/frame.ts";

/** Maps a channel's value, 0 to 1, to its new value. */
export type Curve = (value: number) => number;

/** Applies one curve per channel, in place. */
export function applyCurves(frame: Frame, red: Curve, green: Curve = red, blue: Curve = red): Frame {
  const { pixels } = frame;
  const [reds, greens, blues] = [tableOf(red), tableOf(green), tableOf(blue)];
  for (let i = 0; i < pixels.length; i += 3) {
    pixels[i] = reds[pixels[i] ?? 0] ?? 0;
    pixels[i + 1] = greens[pixels[i + 1] ?? 0] ?? 0;
    pixels[i + 2] = blues[pixels[i + 2] ?? 0] ?? 0;
  }
  return frame;
}

export function tableOf(curve: Curve): Uint8ClampedArray {
  return Uint8ClampedArray.from({ length: 256 }, (_, value) => 255 * curve(value / 255));
}

export function brighten(amount: number): Curve {
  return (x) => 1 - (1 - x) ** (1 + 0.5 * amount);
}

export function darken(amount: number): Curve {
  return (x) => x ** (1 + 0.55 * amount);
}

/** A sigmoid through black, middle grey and white. */
export function steepen(amount: number): Curve {
  const steepness = 4.5 * amount;
  if (steepness === 0) return (x) => x;
  const end = Math.tanh(steepness / 4);
  return (x) => 0.5 + Math.tanh((steepness * (x - 0.5)) / 2) / (2 * end);
}

export function flatten(amount: number): Curve {
  const slope = 1 / (1 + 0.6 * amount);
  return (x) => 0.52 + (x - 0.52) * slope;
}

/** Five steps at amount 1, never fewer than three. */
export function posterise(amount: number): Curve {
  const steps = Math.max(3, Math.min(256, Math.round(5 / amount)));
  return (x) => Math.min(steps - 1, Math.floor(x * steps)) / (steps - 1);
}

export const invert: Curve = (x) => 1 - x;

/** Bends a channel up (positive) or down (negative), leaving black and white. */
export function bend(amount: number): Curve {
  return (x) => x ** Math.exp(-amount);
}
