import type { Engine, Task } from "../../engine.ts";
import { blend } from "../picture/blend.ts";
import { copyOf, type Frame } from "../picture/frame.ts";
import { type DecodedPicture, readPicture, turnPicture, writePicture } from "../picture/picture.ts";
import { countSteps, type Step } from "../steps.ts";
import { type Plan, planOf } from "./plan.ts";
import { addGrain } from "./texture.ts";

/** Edits pictures with sharp, following the words of the prompt. */
export const studio: Engine = { develop };

async function develop(task: Task, report: (progress: number) => void, signal: AbortSignal): Promise<Uint8Array[]> {
  signal.throwIfAborted();
  const plan = planOf(task);
  const seeds = seedsOf(task, plan);
  const each = Number(plan.grain > 0) + Number(isBlended(plan)) + 1;
  const step = countSteps(1 + plan.turns.length + plan.edits.length + each * seeds.length, report, signal);

  const original = await prepare(task.picture, plan, step);
  const edited = await applyEdits(original.colour, plan, step);
  const results: Uint8Array[] = [];
  for (const [index, seed] of seeds.entries()) {
    const last = index === seeds.length - 1;
    const colour = await finish(original.colour, last ? edited : copyOf(edited), plan, seed, step);
    results.push(await writePicture({ ...original, colour }));
    await step();
  }
  return Array.from({ length: task.imageCount }, (_, index) => results[index % results.length] as Uint8Array);
}

/** The seeds of the pictures that differ: without grain, one picture serves for all. */
function seedsOf({ seed, imageCount }: Task, { grain }: Plan): number[] {
  return Array.from({ length: grain > 0 ? imageCount : 1 }, (_, index) => (seed + index) >>> 0);
}

async function prepare(bytes: Uint8Array, { turns }: Plan, step: Step): Promise<DecodedPicture> {
  let picture = await readPicture(bytes);
  await step();
  for (const turn of turns) {
    picture = await turnPicture(picture, turn);
    await step();
  }
  return picture;
}

/** Leaves the original's pixels alone if they are needed for blending. */
async function applyEdits(original: Frame, plan: Plan, step: Step): Promise<Frame> {
  let frame = isBlended(plan) ? copyOf(original) : original;
  for (const { edit, amount } of plan.edits) {
    frame = await edit(frame, amount);
    await step();
  }
  return frame;
}

async function finish(original: Frame, edited: Frame, plan: Plan, seed: number, step: Step): Promise<Frame> {
  let frame = edited;
  if (plan.grain > 0) {
    frame = addGrain(frame, plan.grain, seed);
    await step();
  }
  if (isBlended(plan)) {
    frame = blend(original, frame, plan.strength);
    await step();
  }
  return frame;
}

function isBlended({ edits, grain, strength }: Plan): boolean {
  return strength < 1 && (edits.length > 0 || grain > 0);
}
