import { type Frame, through } from "../picture/frame.ts";
import type { Step } from "../steps.ts";
import { type Network, reach } from "./network.ts";
import { cut, paste, type Tile } from "./tiles.ts";

/**
 * Enlarges tile after tile, so that memory does not grow with the picture. Each is given as much of its neighbours as
 * the network looks at, so the result is that of the whole picture at once.
 */
export async function enlargeTiles(
  colour: Frame,
  tiles: readonly Tile[],
  network: Network,
  step: Step,
): Promise<Frame> {
  const { width, height } = colour;
  const doubled: Frame = {
    pixels: new Uint8Array(width * height * 12),
    width: 2 * width,
    height: 2 * height,
    channels: 3,
  };
  for (const tile of tiles) {
    paste(network(cut(colour, tile, reach)), tile, reach, doubled);
    await step();
  }
  return doubled;
}

/** The usual enlargement, which adds no detail: bicubic, since sharp has Lanczos for shrinking only. */
export function enlargePlainly(frame: Frame): Promise<Frame> {
  const size = { width: 2 * frame.width, height: 2 * frame.height };
  return through(frame, (image) => image.resize({ ...size, fit: "fill", kernel: "cubic" }));
}
