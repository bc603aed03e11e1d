import { imageMaxPixels } from "../../../model/image.ts";
import { type Engine, EngineError, type Task } from "../../engine.ts";
import { blend } from "../picture/blend.ts";
import type { Frame } from "../picture/frame.ts";
import { type Header, readHeader, readPicture, sideMax, writePicture } from "../picture/picture.ts";
import { countSteps, type Step } from "../steps.ts";
import { enlargePlainly, enlargeTiles } from "./enlarge.ts";
import { loadNetwork } from "./network.ts";
import { type Tile, tilesOf } from "./tiles.ts";

/** Doubles a picture's sides with a neural network. Prompt, guidance and seed change nothing. */
export const upscale2x: Engine = { develop };

/** Pixels: about half a second of work, during which no heartbeat goes out. */
const tileSideMax = 128;

/** The result must be one that a picture store takes; about five minutes of work. */
const inputMaxPixels = imageMaxPixels / 4;

async function develop(task: Task, report: (progress: number) => void, signal: AbortSignal): Promise<Uint8Array[]> {
  signal.throwIfAborted();
  checkSize(await readHeader(task.picture));
  const picture = await readPicture(task.picture);
  const tiles = task.strength > 0 ? tilesOf(picture.colour, tileSideMax) : [];
  const step = countSteps(1 + tiles.length + 1, report, signal);
  await step();
  const colour = await enlargeColour(picture.colour, task.strength, tiles, step);
  const alpha = picture.alpha && (await enlargePlainly(picture.alpha));
  const result = await writePicture({ ...picture, colour, alpha }, signal);
  await step();
  return Array.from({ length: task.imageCount }, () => result);
}

async function enlargeColour(colour: Frame, strength: number, tiles: readonly Tile[], step: Step): Promise<Frame> {
  if (strength === 0) return enlargePlainly(colour);
  const detailed = await enlargeTiles(colour, tiles, await loadNetwork(), step);
  return strength < 1 ? blend(await enlargePlainly(colour), detailed, strength) : detailed;
}

function checkSize({ format, width, height }: Header): void {
  const longest = Math.floor(sideMax[format] / 2);
  if (width * height > inputMaxPixels) {
    const most = `${inputMaxPixels / 1_000_000} megapixels`;
    throw tooLarge(`This model enlarges pictures of at most ${most}; this one has ${width} × ${height} pixels.`);
  }
  if (Math.max(width, height) > longest) {
    const most = `at most ${longest} pixels a side, or the result does not fit into a ${format.toUpperCase()} file`;
    throw tooLarge(`The picture must have ${most}; it has ${width} × ${height}.`);
  }
}

function tooLarge(message: string): EngineError {
  return new EngineError("PICTURE_TOO_LARGE", message);
}
