import { type Frame, through } from "../picture/frame.ts";
import { blackAndWhite, cool, saturate, sepia, warm } from "./colours.ts";
import { applyCurves, brighten, darken, flatten, invert, posterise, steepen } from "./curves.ts";
import { sharpen, sketch, soften } from "./detail.ts";
import { vignette } from "./texture.ts";
import type { EditName } from "./vocabulary.ts";

/** Turns a colour frame or an alpha plane; never blended, and the same whatever the amount. */
export type Turn = (frame: Frame) => Promise<Frame>;

/** Changes a colour frame, possibly in place. The amount is above 0, 1 is normal, {@link amountMax} the most. */
export type Edit = (frame: Frame, amount: number) => Frame | Promise<Frame>;

/** Where effects stop growing, whatever the prompt and its guidance ask. */
export const amountMax = 2.5;

type TurnName = Extract<EditName, "mirror" | "flip" | `rotate-${string}`>;

const turns: Readonly<Record<TurnName, Turn>> = {
  mirror: (frame) => through(frame, (image) => image.flop()),
  flip: (frame) => through(frame, (image) => image.flip()),
  "rotate-right": (frame) => through(frame, (image) => image.rotate(90)),
  "rotate-left": (frame) => through(frame, (image) => image.rotate(270)),
  "rotate-180": (frame) => through(frame, (image) => image.rotate(180)),
};

/** All but the turns, and grain, which needs a seed and comes last. */
type RepeatableName = Exclude<EditName, TurnName | "grain">;

const edits: Readonly<Record<RepeatableName, Edit>> = {
  brighter: (frame, amount) => applyCurves(frame, brighten(amount)),
  darker: (frame, amount) => applyCurves(frame, darken(amount)),
  contrast: (frame, amount) => applyCurves(frame, steepen(amount)),
  flat: (frame, amount) => applyCurves(frame, flatten(amount)),
  sketch,
  poster: (frame, amount) => applyCurves(frame, posterise(amount)),
  // Half a negative would be a grey card, so it is all or nothing.
  negative: (frame) => applyCurves(frame, invert),
  "black-and-white": blackAndWhite,
  sepia,
  vivid: (frame, amount) => saturate(frame, 1 + 0.5 * amount),
  muted: (frame, amount) => saturate(frame, 1 / (1 + amount)),
  warm,
  cool,
  soft: soften,
  sharp: sharpen,
  vignette,
};

export function turnNamed(name: EditName): Turn | undefined {
  return name in turns ? turns[name as TurnName] : undefined;
}

export function editNamed(name: EditName): Edit | undefined {
  return name in edits ? edits[name as RepeatableName] : undefined;
}
