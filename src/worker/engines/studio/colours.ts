import type { Matrix3x3 } from "sharp";
import { type Frame, through } from "../picture/frame.ts";
import { applyCurves, bend, type Curve } from "./curves.ts";

/** How bright the eye finds red, green and blue (Rec. 601). */
const lumaWeights = [0.299, 0.587, 0.114] as const;

/** Moves colours away from grey, or towards it if the factor is below 1; 0 is grey. */
export function saturate(frame: Frame, factor: number): Promise<Frame> {
  const [red, green, blue] = lumaWeights.map((weight) => weight * (1 - factor)) as [number, number, number];
  const matrix: Matrix3x3 = [
    [red + factor, green, blue],
    [red, green + factor, blue],
    [red, green, blue + factor],
  ];
  // Sharp truncates, so the half rounds.
  return through(frame, (image) => image.recomb(matrix).linear(1, 0.5));
}

export function blackAndWhite(frame: Frame, amount: number): Promise<Frame> {
  return saturate(frame, 1 - Math.min(1, amount));
}

/** Brown ink on cream paper. */
export async function sepia(frame: Frame, amount: number): Promise<Frame> {
  const depth = Math.min(1, amount);
  const grey = await blackAndWhite(frame, depth);
  return applyCurves(
    grey,
    ink(0.26 * depth, 1),
    ink(-0.04 * depth, 1 - 0.05 * depth),
    ink(-0.36 * depth, 1 - 0.16 * depth),
  );
}

function ink(tint: number, paper: number): Curve {
  const curve = bend(tint);
  return (x) => paper * curve(x);
}

export function warm(frame: Frame, amount: number): Frame {
  return applyCurves(frame, bend(0.16 * amount), bend(0.03 * amount), bend(-0.22 * amount));
}

export function cool(frame: Frame, amount: number): Frame {
  return applyCurves(frame, bend(-0.2 * amount), bend(0.01 * amount), bend(0.18 * amount));
}
