import type { Frame } from "./frame.ts";

/** Moves the edited pixels back towards the original's: strength 0 is the original, 1 the edit. In place. */
export function blend(original: Frame, edited: Frame, strength: number): Frame {
  const from = original.pixels;
  const to = edited.pixels;
  const weight = Math.round(strength * 65_536);
  for (let i = 0; i < to.length; i++) {
    const start = from[i] ?? 0;
    to[i] = start + ((((to[i] ?? 0) - start) * weight + 32_768) >> 16);
  }
  return edited;
}
