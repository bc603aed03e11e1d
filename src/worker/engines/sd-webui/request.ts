import type { Task } from "../../engine.ts";
import { openBytes, readable, readHeader } from "../picture/picture.ts";

/** The fields of the server's img2img request that Darkroom decides; its own defaults hold for the others. */
export interface Request {
  /** Base64. */
  readonly init_images: readonly [string];
  readonly prompt: string;
  readonly cfg_scale: number;
  readonly denoising_strength: number;
  /** The first picture's seed; each further picture's is one more. */
  readonly seed: number;
  /** How many pictures, one after the other: as many at a time would need as much more of the server's memory. */
  readonly n_iter: number;
  readonly batch_size: 1;
  readonly width: number;
  readonly height: number;
  readonly send_images: true;
  readonly save_images: false;
}

/** The models work on cells of 8 × 8 pixels, and were trained on pictures of at most about one megapixel. */
const cellSide = 8;
const trainedPixels = 1024 * 1024;
const sideMin = 64;
const sideMax = 2048;

export async function requestOf(task: Task): Promise<Request> {
  const size = sizeFor(await readHeader(task.picture));
  const picture = await readable(() =>
    openBytes(task.picture)
      .resize({ ...size, fit: "fill" })
      .flatten({ background: "white" })
      .toColourspace("srgb")
      .png({ compressionLevel: 3 })
      .toBuffer(),
  );
  return {
    init_images: [picture.toString("base64")],
    prompt: task.prompt,
    cfg_scale: task.promptGuidance,
    denoising_strength: task.strength,
    seed: task.seed,
    n_iter: task.imageCount,
    batch_size: 1,
    ...size,
    send_images: true,
    save_images: false,
  };
}

/** The picture's own size where the models can work at it, else the nearest of the same shape. */
function sizeFor({ width, height }: { width: number; height: number }): { width: number; height: number } {
  const shrink = Math.min(1, Math.sqrt(trainedPixels / (width * height)), sideMax / Math.max(width, height));
  const scale = Math.max(shrink, sideMin / Math.min(width, height));
  const side = (length: number) => Math.min(sideMax, Math.round((length * scale) / cellSide) * cellSide);
  return { width: side(width), height: side(height) };
}
