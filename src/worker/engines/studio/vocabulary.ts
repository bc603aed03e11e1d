/** One edit the studio can make, and how a prompt asks for it. */
interface Entry {
  readonly edit: EditName;
  readonly group: "Turning" | "Light" | "Style" | "Colour" | "Detail" | "Texture";
  readonly description: string;
  /** Words or phrases that ask for the edit. The first is the one shown to users. */
  readonly phrases: readonly string[];
}

export type EditName =
  | "mirror"
  | "flip"
  | "rotate-right"
  | "rotate-left"
  | "rotate-180"
  | "brighter"
  | "darker"
  | "contrast"
  | "flat"
  | "sketch"
  | "poster"
  | "negative"
  | "black-and-white"
  | "sepia"
  | "vivid"
  | "muted"
  | "warm"
  | "cool"
  | "soft"
  | "sharp"
  | "vignette"
  | "grain";

/** In the order in which the edits are applied. Fillers ("more", "the", see prompt.ts) in a phrase do not count. */
export const vocabulary: readonly Entry[] = [
  {
    edit: "mirror",
    group: "Turning",
    description: "swaps left and right",
    phrases: ["mirror", "mirrored", "flop", "flopped", "flip horizontally", "horizontal flip"],
  },
  {
    edit: "flip",
    group: "Turning",
    description: "swaps top and bottom",
    phrases: ["flip", "flipped", "upside down", "upside-down", "flip vertically", "vertical flip"],
  },
  {
    edit: "rotate-right",
    group: "Turning",
    description: "a quarter turn clockwise",
    phrases: ["rotate", "rotated", "rotate right", "rotated right", "turn right", "rotate clockwise"],
  },
  {
    edit: "rotate-left",
    group: "Turning",
    description: "a quarter turn anticlockwise",
    phrases: [
      "rotate left",
      "rotated left",
      "turn left",
      "rotate anticlockwise",
      "rotate anti-clockwise",
      "rotate counterclockwise",
      "rotate counter-clockwise",
      "rotate 270",
    ],
  },
  {
    edit: "rotate-180",
    group: "Turning",
    description: "half a turn",
    phrases: ["rotate 180", "rotated 180", "turn 180"],
  },
  {
    edit: "brighter",
    group: "Light",
    description: "lifts the light, keeping black and white where they are",
    phrases: ["brighter", "bright", "brighten", "lighter", "lighten", "less dark", "too dark"],
  },
  {
    edit: "darker",
    group: "Light",
    description: "lowers the light, keeping black and white where they are",
    phrases: ["darker", "dark", "darken", "less bright", "less light", "too bright", "too light"],
  },
  {
    edit: "contrast",
    group: "Light",
    description: "deepens the shadows and lifts the highlights",
    phrases: ["more contrast", "high contrast", "higher contrast", "less flat", "too flat"],
  },
  {
    edit: "flat",
    group: "Light",
    description: "brings shadows and highlights together",
    phrases: ["less contrast", "flat", "flatter", "low contrast", "lower contrast", "too much contrast"],
  },
  {
    edit: "sketch",
    group: "Style",
    description: "a pencil drawing on paper",
    phrases: ["sketch", "pencil", "drawing", "drawn", "sketched", "pencil sketch", "pencil drawing"],
  },
  {
    edit: "poster",
    group: "Style",
    description: "a few flat steps of each colour",
    phrases: ["poster", "posterize", "posterise", "posterized", "posterised"],
  },
  {
    edit: "negative",
    group: "Style",
    description: "the opposite of every colour",
    phrases: ["negative", "invert", "inverted"],
  },
  {
    edit: "black-and-white",
    group: "Style",
    description: "shades of grey",
    phrases: [
      "black and white",
      "b&w",
      "black & white",
      "black white",
      "b/w",
      "bw",
      "monochrome",
      "grayscale",
      "greyscale",
      "no colour",
      "no color",
      "without colour",
      "without color",
    ],
  },
  { edit: "sepia", group: "Style", description: "the brown of an old print", phrases: ["sepia", "vintage"] },
  {
    edit: "vivid",
    group: "Colour",
    description: "stronger colours",
    phrases: ["vivid", "vibrant", "saturated", "saturate", "colourful", "colorful", "less muted", "less faded"],
  },
  {
    edit: "muted",
    group: "Colour",
    description: "weaker colours",
    phrases: [
      "muted",
      "faded",
      "desaturated",
      "desaturate",
      "less vivid",
      "less vibrant",
      "less saturated",
      "less colourful",
      "less colorful",
      "less colour",
      "less color",
    ],
  },
  {
    edit: "warm",
    group: "Colour",
    description: "more red, less blue",
    phrases: ["warmer", "warm", "less cool", "less cold", "too cool", "too cold"],
  },
  {
    edit: "cool",
    group: "Colour",
    description: "more blue, less red",
    phrases: ["cooler", "cool", "colder", "cold", "less warm", "too warm"],
  },
  {
    edit: "soft",
    group: "Detail",
    description: "blurs fine detail",
    phrases: ["softer", "soft", "soften", "blur", "blurry", "blurred", "dreamy", "less sharp", "too sharp"],
  },
  {
    edit: "sharp",
    group: "Detail",
    description: "brings out fine detail",
    phrases: ["sharper", "sharp", "sharpen", "crisp", "crisper", "less soft", "less blurry", "too soft", "too blurry"],
  },
  { edit: "vignette", group: "Texture", description: "darkens towards the corners", phrases: ["vignette"] },
  {
    edit: "grain",
    group: "Texture",
    description: "the grain of film, drawn from the seed",
    phrases: ["grain", "grainy", "film", "film grain"],
  },
];

/** The vocabulary in one readable sentence per group: "Light: brighter, darker, more contrast, less contrast." */
export function describeVocabulary(): string {
  const groups = Map.groupBy(vocabulary, ({ group }) => group);
  return [...groups]
    .map(([group, all]) => `${group}: ${all.map(({ phrases: [shown] }) => shown).join(", ")}.`)
    .join(" ");
}
