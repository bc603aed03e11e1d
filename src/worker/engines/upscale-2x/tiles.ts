import type { Frame } from "../picture/frame.ts";
import type { Samples } from "./network.ts";

/** A part of a picture, in its pixels. */
export interface Tile {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Parts of nearly the same size, at most `side` wide and high, that cover a picture without overlap. */
export function tilesOf({ width, height }: Frame, side: number): Tile[] {
  const columns = edges(width, side);
  return edges(height, side).flatMap(([top, bottom]) =>
    columns.map(([left, right]) => ({ left, top, width: right - left, height: bottom - top })),
  );
}

function edges(length: number, side: number): [number, number][] {
  const count = Math.ceil(length / side);
  const edge = (index: number) => Math.round((index * length) / count);
  return Array.from({ length: count }, (_, index) => [edge(index), edge(index + 1)]);
}

/**
 * The tile with `margin` more pixels on each side. Beyond the picture's border its last pixels are repeated: a network
 * that sees nothing there darkens the border.
 */
export function cut(colour: Frame, tile: Tile, margin: number): Samples {
  const width = tile.width + 2 * margin;
  const height = tile.height + 2 * margin;
  const values = new Float32Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = within(tile.top - margin + y, colour.height) * colour.width;
    for (let x = 0; x < width; x++) {
      const from = (row + within(tile.left - margin + x, colour.width)) * 3;
      values[to++] = colour.pixels[from] ?? 0;
      values[to++] = colour.pixels[from + 1] ?? 0;
      values[to++] = colour.pixels[from + 2] ?? 0;
    }
  }
  return { values, width, height };
}

function within(at: number, length: number): number {
  return Math.max(0, Math.min(length - 1, at));
}

/** Puts the doubled tile, without its margin, where it belongs in the doubled picture. */
export function paste(doubled: Samples, tile: Tile, margin: number, into: Frame): void {
  const pixels = new Uint8ClampedArray(into.pixels.buffer, into.pixels.byteOffset, into.pixels.byteLength);
  const length = 2 * tile.width * 3;
  for (let y = 0; y < 2 * tile.height; y++) {
    const from = ((y + 2 * margin) * doubled.width + 2 * margin) * 3;
    pixels.set(doubled.values.subarray(from, from + length), ((2 * tile.top + y) * into.width + 2 * tile.left) * 3);
  }
}
