import { randomFillSync } from "node:crypto";
import fc from "fast-check";
import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import type { Task } from "../../src/worker/engine.ts";
import { readPrompt } from "../../src/worker/engines/studio/prompt.ts";
import { studio } from "../../src/worker/engines/studio/studio.ts";
import { vocabulary } from "../../src/worker/engines/studio/vocabulary.ts";
import { engineErrorOf } from "./engine-error.ts";

interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

const never = new AbortController().signal;

/** A colourful 48 by 32 picture: ramps of red and green, stripes of blue, nothing symmetrical. */
const SCENE = draw(48, 32, (x, y) => [40 + x * 4, 30 + y * 6, (x >> 2) % 2 === 0 ? 60 : 150]);
const SCENE_PNG = await png(SCENE);
const GREY_PNG = await png(draw(64, 64, () => [128, 128, 128]));

function draw(width: number, height: number, colour: (x: number, y: number) => readonly number[]): Pixels {
  const rows = Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => colour(x, y)));
  const data = Uint8Array.from(rows.flat(2));
  return { data, width, height, channels: data.length / (width * height) };
}

function open({ data, width, height, channels }: Pixels): Sharp {
  return sharp(data, { raw: { width, height, channels: channels as 1 | 2 | 3 | 4 } });
}

function png(pixels: Pixels): Promise<Buffer> {
  return open(pixels).png().toBuffer();
}

async function pixelsOf(bytes: Uint8Array): Promise<Pixels> {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width: info.width, height: info.height, channels: info.channels };
}

function develop(picture: Uint8Array, prompt: string, changes: Partial<Task> = {}): Promise<Uint8Array[]> {
  const task = { picture, prompt, promptGuidance: 7.5, strength: 1, seed: 7, imageCount: 1, ...changes };
  return studio.develop(task, () => {}, never);
}

async function edited(prompt: string, changes: Partial<Task> = {}, picture: Uint8Array = SCENE_PNG): Promise<Pixels> {
  const [result] = await develop(picture, prompt, changes);
  return pixelsOf(result as Uint8Array);
}

function pixelAt({ data, width, channels }: Pixels, x: number, y: number): number[] {
  return [...data.slice((y * width + x) * channels, (y * width + x + 1) * channels)];
}

function valuesOf({ data, channels }: Pixels, channel: number): number[] {
  return [...data.filter((_, at) => at % channels === channel)];
}

function mean(values: Iterable<number>): number {
  const all = [...values];
  return all.reduce((sum, value) => sum + value, 0) / all.length;
}

function deviation(values: Iterable<number>): number {
  const all = [...values];
  const middle = mean(all);
  return Math.sqrt(mean(all.map((value) => (value - middle) ** 2)));
}

function distance(a: Pixels, b: Pixels): number {
  expect([a.width, a.height, a.channels]).toEqual([b.width, b.height, b.channels]);
  return mean(a.data.map((value, at) => Math.abs(value - (b.data[at] ?? 0))));
}

/** How much each row jumps from pixel to pixel: falls when softened, rises when sharpened. */
function roughness({ data, width, channels }: Pixels): number {
  const jumps = [...data].map((value, at) =>
    at % (width * channels) < channels ? 0 : Math.abs(value - (data[at - channels] ?? 0)),
  );
  return mean(jumps);
}

function colourfulness(pixels: Pixels): number {
  const [red, green, blue] = [valuesOf(pixels, 0), valuesOf(pixels, 1), valuesOf(pixels, 2)];
  return mean(
    red.map((r, at) => Math.max(r, green[at] ?? 0, blue[at] ?? 0) - Math.min(r, green[at] ?? 0, blue[at] ?? 0)),
  );
}

const wishes = (prompt: string) => Object.fromEntries(readPrompt(prompt).wishes.map((w) => [w.edit, w.amount]));

describe("tone and colour", () => {
  test("black and white makes the channels equal and keeps the light", async () => {
    for (const prompt of ["black and white", "B&W please", "Black & White", "monochrome", "greyscale", "grayscale"]) {
      const result = await edited(prompt);
      expect(valuesOf(result, 0)).toEqual(valuesOf(result, 1));
      expect(valuesOf(result, 0)).toEqual(valuesOf(result, 2));
    }
    expect(pixelAt(await edited("black and white", {}, GREY_PNG), 5, 5)).toEqual([128, 128, 128]);
  });

  test("sepia is brown: red above green above blue everywhere, whatever the colour", async () => {
    const result = await edited("sepia");
    const [red, green, blue] = [valuesOf(result, 0), valuesOf(result, 1), valuesOf(result, 2)];
    expect(red.every((r, at) => r > (green[at] ?? 0) && (green[at] ?? 0) > (blue[at] ?? 0))).toBe(true);
    expect(mean(red) - mean(blue)).toBeGreaterThan(30);
  });

  test("warmer raises red and lowers blue, cooler the reverse, both leaving white", async () => {
    const [warmRed = 0, , warmBlue = 0] = pixelAt(await edited("warmer", {}, GREY_PNG), 0, 0);
    expect(warmRed).toBeGreaterThan(136);
    expect(warmBlue).toBeLessThan(120);
    const [coolRed = 0, , coolBlue = 0] = pixelAt(await edited("colder", {}, GREY_PNG), 0, 0);
    expect(coolRed).toBeLessThan(120);
    expect(coolBlue).toBeGreaterThan(136);
    const white = await png(draw(2, 2, () => [255, 255, 255]));
    expect(pixelAt(await edited("very warm", {}, white), 0, 0)).toEqual([255, 255, 255]);
  });

  test("brighter and darker move the mean and keep black and white", async () => {
    expect(mean((await edited("brighter")).data)).toBeGreaterThan(mean(SCENE.data) + 15);
    expect(mean((await edited("darker")).data)).toBeLessThan(mean(SCENE.data) - 15);
    const ends = await png(draw(2, 1, (x) => [x * 255, x * 255, x * 255]));
    expect([...(await edited("brighter, more contrast", {}, ends)).data]).toEqual([0, 0, 0, 255, 255, 255]);
  });

  test("contrast spreads the values, flat gathers them", async () => {
    const spread = deviation(SCENE.data);
    expect(deviation((await edited("more contrast")).data)).toBeGreaterThan(spread * 1.15);
    expect(deviation((await edited("less contrast")).data)).toBeLessThan(spread * 0.8);
  });

  test("vivid strengthens colours, muted weakens them", async () => {
    const before = colourfulness(SCENE);
    expect(colourfulness(await edited("vibrant"))).toBeGreaterThan(before * 1.15);
    expect(colourfulness(await edited("faded"))).toBeLessThan(before * 0.7);
  });

  test("negative is the exact opposite", async () => {
    expect((await edited("inverted")).data).toEqual(SCENE.data.map((value) => 255 - value));
  });

  test("poster leaves few values", async () => {
    const result = await edited("posterise");
    expect(new Set(result.data).size).toBeLessThanOrEqual(5);
    expect(new Set(result.data).size).toBeGreaterThan(2);
    expect(distance(result, SCENE)).toBeLessThan(40);
  });
});

describe("detail and texture", () => {
  test("soft smooths, sharp roughens", async () => {
    const stripes = draw(48, 32, (x) => Array(3).fill(x % 4 < 2 ? 90 : 160));
    const picture = await png(stripes);
    expect(roughness(await edited("dreamy", {}, picture))).toBeLessThan(roughness(stripes) * 0.7);
    expect(roughness(await edited("crisp", {}, picture))).toBeGreaterThan(roughness(stripes) * 1.1);
  });

  test("a sketch is grey lines on light paper", async () => {
    const halves = await png(draw(64, 64, (x) => (x < 32 ? [60, 60, 90] : [200, 210, 190])));
    const result = await edited("pencil sketch", {}, halves);
    expect(valuesOf(result, 0)).toEqual(valuesOf(result, 2));
    const columnMean = (x: number) => mean(Array.from({ length: 64 }, (_, y) => pixelAt(result, x, y)[0] ?? 0));
    expect(columnMean(5)).toBeGreaterThan(150);
    expect(columnMean(58)).toBeGreaterThan(200);
    expect(columnMean(31)).toBeLessThan(columnMean(5) - 40);
  });

  test("a vignette darkens the corners alike and leaves the centre", async () => {
    const result = await edited("vignette", {}, GREY_PNG);
    expect(pixelAt(result, 32, 32)).toEqual([128, 128, 128]);
    const corners = [pixelAt(result, 0, 0), pixelAt(result, 63, 0), pixelAt(result, 0, 63), pixelAt(result, 63, 63)];
    for (const corner of corners) expect(corner).toEqual(corners[0]);
    expect(corners[0]?.[0]).toBeLessThan(70);
    expect(pixelAt(result, 32, 0)[0]).toBeLessThan(128);
    expect(pixelAt(result, 32, 0)[0]).toBeGreaterThan(corners[0]?.[0] ?? 255);
  });

  test("grain is grey noise that keeps the mean", async () => {
    const result = await edited("film grain", {}, GREY_PNG);
    expect(deviation(result.data)).toBeGreaterThan(6);
    expect(deviation(result.data)).toBeLessThan(16);
    expect(Math.abs(mean(result.data) - 128)).toBeLessThan(2);
    expect(valuesOf(result, 0)).toEqual(valuesOf(result, 2));
    // Not the same in every row.
    expect(deviation(Array.from({ length: 64 }, (_, y) => pixelAt(result, 0, y)[0] ?? 0))).toBeGreaterThan(6);
  });

  test("a softened picture looks alike at every size", async () => {
    const stripes = draw(40, 40, (x) => Array(3).fill(x % 2 === 0 ? 90 : 160));
    const softened = async (side: number) => {
      const enlarged = await open(stripes).resize(side, side, { kernel: "nearest" }).png().toBuffer();
      return deviation((await edited("soft", {}, enlarged)).data);
    };
    const small = await softened(400);
    expect(small).toBeLessThan(deviation(stripes.data) * 0.95);
    expect(Math.abs((await softened(800)) / small - 1)).toBeLessThan(0.05);
  });
});

describe("turning", () => {
  const turned = (width: number, height: number, from: (x: number, y: number) => [number, number]) =>
    draw(width, height, (x, y) => pixelAt(SCENE, ...from(x, y)));

  test.each([
    ["mirror", turned(48, 32, (x, y) => [47 - x, y])],
    ["flip it horizontally", turned(48, 32, (x, y) => [47 - x, y])],
    ["flip", turned(48, 32, (x, y) => [x, 31 - y])],
    ["upside down", turned(48, 32, (x, y) => [x, 31 - y])],
    ["rotate", turned(32, 48, (x, y) => [y, 31 - x])],
    ["turn it to the right", turned(32, 48, (x, y) => [y, 31 - x])],
    ["rotate the picture by 90 degrees to the left", turned(32, 48, (x, y) => [47 - y, x])],
    ["rotate 180", turned(48, 32, (x, y) => [47 - x, 31 - y])],
  ])("%s", async (prompt, expected) => {
    expect(await edited(prompt)).toEqual(expected);
    expect(await edited(prompt, { strength: 0 })).toEqual(expected);
  });
});

describe("strength and guidance", () => {
  const everything = "brighter, sepia, sketch, poster, negative, soft, sharp, vignette, grain";

  test("strength 0 gives the original's pixels", async () => {
    expect(await edited(everything, { strength: 0 })).toEqual(SCENE);
  });

  test("strength blends between the original and the edit", async () => {
    const full = await edited("negative, vignette");
    const half = await edited("negative, vignette", { strength: 0.5 });
    const expected = SCENE.data.map((value, at) => Math.round((value + (full.data[at] ?? 0)) / 2));
    expect(half.data).toEqual(expected);
    expect(distance(half, SCENE)).toBeGreaterThan(20);
  });

  test("guidance 0 edits nothing", async () => {
    expect(await edited(`${everything}, rotate`, { promptGuidance: 0 })).toEqual(SCENE);
  });

  const light = ["brighter", "darker", "high contrast", "low contrast"];
  const others = ["vivid", "muted", "warm", "cool", "soft", "sharp", "vignette", "grain"];
  test.each([...light, ...others])("guidance scales %s", async (prompt) => {
    const effects: number[] = [];
    for (const promptGuidance of [2, 7.5, 20, 30]) {
      effects.push(distance(await edited(prompt, { promptGuidance }), SCENE));
    }
    const [low = 0, normal = 0, high = 0, highest = 0] = effects;
    expect(low).toBeGreaterThan(0);
    expect(normal).toBeGreaterThan(low);
    expect(high).toBeGreaterThan(normal);
    expect(highest).toBeGreaterThan(high);
  });

  test.each(["black and white", "sepia", "sketch", "poster"])("slightly weakens %s, too", async (prompt) => {
    const slight = distance(await edited(`slightly ${prompt}`), SCENE);
    expect(slight).toBeGreaterThan(0);
    expect(slight).toBeLessThan(distance(await edited(prompt), SCENE) * 0.8);
  });

  test("the strongest guidance still leaves a picture", async () => {
    for (const prompt of ["very bright", "very dark", "very high contrast", "very vivid", "very warm", "very grainy"]) {
      const result = await edited(prompt, { promptGuidance: 30 });
      expect(deviation(result.data)).toBeGreaterThan(20);
      expect(mean(result.data)).toBeGreaterThan(30);
      expect(mean(result.data)).toBeLessThan(225);
      expect(await edited(prompt, { promptGuidance: 25 })).toEqual(result);
    }
  });

  test("slightly weakens and very strengthens", async () => {
    const slight = distance(await edited("slightly warmer"), SCENE);
    const normal = distance(await edited("warmer"), SCENE);
    const strong = distance(await edited("very warm"), SCENE);
    expect(slight).toBeLessThan(normal * 0.7);
    expect(strong).toBeGreaterThan(normal * 1.3);
  });

  test("several edits act at once, in an order that does not depend on the prompt's", async () => {
    const result = await edited("black and white, negative, mirrored");
    expect(valuesOf(result, 0)).toEqual(valuesOf(result, 1));
    const grey = await edited("black and white");
    const expected = draw(48, 32, (x, y) => pixelAt(grey, 47 - x, y).map((value) => 255 - value));
    expect(distance(result, expected)).toBeLessThan(1);
    expect(await edited("mirrored and negative and black and white")).toEqual(result);
  });
});

describe("seed", () => {
  test("the same seed gives the same bytes, another seed other grain", async () => {
    const [first] = await develop(GREY_PNG, "grain", { seed: 11 });
    const [again] = await develop(GREY_PNG, "grain", { seed: 11 });
    const [other] = await develop(GREY_PNG, "grain", { seed: 12 });
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test("each picture of a task has the grain of its own seed, wrapping after 32 bits", async () => {
    for (const strength of [1, 0.6]) {
      const three = await develop(GREY_PNG, "grain, vignette", { seed: 2 ** 32 - 1, imageCount: 3, strength });
      expect(three).toHaveLength(3);
      for (const [index, seed] of [2 ** 32 - 1, 0, 1].entries()) {
        expect([three[index]]).toEqual(await develop(GREY_PNG, "grain, vignette", { seed, strength }));
      }
      expect(three[0]).not.toEqual(three[1]);
    }
  });

  test("without grain, all pictures are the same whatever the seed", async () => {
    const four = await develop(SCENE_PNG, "sketch", { seed: 1, imageCount: 4 });
    expect(four).toHaveLength(4);
    for (const picture of four) expect(picture).toEqual(four[0]);
    expect(await develop(SCENE_PNG, "sketch", { seed: 2 })).toEqual([four[0]]);
  });
});

describe("reading the prompt", () => {
  test("every phrase of the vocabulary asks for its own edit, also in capitals", () => {
    for (const { edit, phrases } of vocabulary) {
      for (const phrase of phrases) {
        expect([phrase, Object.keys(wishes(`Please make it ${phrase.toUpperCase()}!`))]).toEqual([phrase, [edit]]);
      }
    }
  });

  test.each([
    ["slightly warmer", { warm: 0.5 }],
    ["a little bit warmer and very grainy", { warm: 0.5, grain: 1.6 }],
    ["much more contrast", { contrast: 1.6 }],
    ["a lot of grain, sepia", { grain: 1.6, sepia: 1 }],
    ["very nice sepia", { sepia: 1 }],
    ["no grain", {}],
    ["vintage without grain or vignette", { sepia: 1 }],
    ["no grain and more contrast", { contrast: 1 }],
    ["don't make it warm, make it cooler", { cool: 1 }],
    ["Don’t make it too dark; a bit brighter", { brighter: 0.5 }],
    ["do not turn it black and white", {}],
    ["not black and white but sepia", { sepia: 1 }],
    ["not very warm", {}],
    ["the sky is too dark", { brighter: 1 }],
    ["less contrast", { flat: 1 }],
    ["high-contrast", { contrast: 1 }],
    ["film look, then no grain", {}],
    ["warm, then slightly warm", { warm: 0.5 }],
    ["very grainy or warm", { grain: 1.6, warm: 1 }],
    ["not so vivid\nwarm", { warm: 1 }],
    ["very\nwarm", { warm: 1 }],
    ["don't convert it to black and white", {}],
    ["black-and-white", { "black-and-white": 1 }],
    ["ＳＥＰＩＡ", { sepia: 1 }],
  ])("%s", (prompt, expected) => {
    expect(readPrompt(prompt).understood).toBe(true);
    expect(wishes(prompt)).toEqual(expected);
  });

  test("only whole words count", () => {
    for (const prompt of ["sharpshooter", "sepiax", "warmth", "ıgrain", "grainé", "no_match", "filmé", "", "🙂"]) {
      expect([prompt, readPrompt(prompt).understood]).toEqual([prompt, false]);
    }
  });

  test("any text can be read", () => {
    const word = fc.constantFrom("not", "very", "less", "or", "rotate", "left", "black", "and", "white", "&", ",", "'");
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 4000 }),
      fc.string({ unit: "grapheme", maxLength: 4000 }),
      fc.array(word, { maxLength: 800 }).map((words) => words.join(" ")),
    );
    fc.assert(
      fc.property(text, (prompt) => {
        const { understood, wishes } = readPrompt(prompt);
        const names = wishes.map(({ edit }) => edit);
        expect(names).toEqual(vocabulary.map(({ edit }) => edit).filter((edit) => names.includes(edit)));
        expect(understood || wishes.length === 0).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test("a prompt without a known word is refused with the vocabulary, not with the prompt", async () => {
    const error = await engineErrorOf(develop(SCENE_PNG, "put an astronaut on it"));
    expect(error.reason).toBe("PROMPT_NOT_UNDERSTOOD");
    expect(error.retryable).toBe(false);
    for (const { phrases } of vocabulary) expect(error.message).toContain(phrases[0]);
    expect(error.message).not.toContain("astronaut");
    expect(error.message.length).toBeLessThan(1000);
  });

  test("a prompt that only declines edits leaves the picture as it is", async () => {
    expect(await edited("no grain, don't rotate")).toEqual(SCENE);
  });
});

describe("odd pictures", () => {
  const all =
    "mirror, rotate, brighter, more contrast, sketch, poster, sepia, vivid, warm, soft, sharp, vignette, grain";

  test.each([
    [1, 1],
    [1, 40],
    [40, 1],
    [2, 2],
  ])("%i by %i pixels", async (width, height) => {
    const small = await png(draw(width, height, (x, y) => [x * 5, y * 5, 99]));
    const result = await edited(all, { strength: 0.9 }, small);
    expect([result.width, result.height]).toEqual([height, width]);
    for (const { phrases } of vocabulary) await develop(small, phrases[0] ?? "");
  });

  test("grey, palette and 16-bit PNG keep their pixels at strength 0", async () => {
    const grey = draw(9, 7, (x, y) => [x * 20 + y]);
    const asColour = draw(9, 7, (x, y) => Array(3).fill(x * 20 + y));
    expect(await edited("warm", { strength: 0 }, await open(grey).toColourspace("b-w").png().toBuffer())).toEqual(
      asColour,
    );
    const deepGrey = await open(grey).toColourspace("grey16").png().toBuffer();
    expect((await sharp(deepGrey).metadata()).depth).toBe("ushort");
    expect(await edited("warm", { strength: 0 }, deepGrey)).toEqual(asColour);
    const deep = await open(SCENE).toColourspace("rgb16").png().toBuffer();
    expect(await edited("warm", { strength: 0 }, deep)).toEqual(SCENE);
    const flag = draw(9, 6, (x) => (x < 4 ? [200, 30, 40] : [20, 60, 180]));
    const palette = await open(flag).png({ palette: true }).toBuffer();
    expect((await sharp(palette).metadata()).isPalette).toBe(true);
    expect(await edited("warm", { strength: 0 }, palette)).toEqual(await pixelsOf(palette));
    expect(distance(await edited("warm", { strength: 0 }, palette), flag)).toBeLessThan(3);
  });

  test("CMYK becomes sRGB", async () => {
    const cmyk = await open(draw(16, 16, () => [190, 60, 30]))
      .toColourspace("cmyk")
      .jpeg()
      .toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe("cmyk");
    const [result] = await develop(cmyk, "warm", { strength: 0 });
    expect(await sharp(result).metadata()).toMatchObject({ format: "jpeg", space: "srgb", channels: 3 });
    const [red = 0, green = 0, blue = 0] = pixelAt(await pixelsOf(result as Uint8Array), 8, 8);
    expect(red).toBeGreaterThan(150);
    expect(Math.max(green, blue)).toBeLessThan(100);
  });

  test("a wide-gamut profile is converted and dropped", async () => {
    const wide = await open(draw(8, 8, () => [200, 80, 60]))
      .withIccProfile("p3")
      .png()
      .toBuffer();
    const [result] = await develop(wide, "warm", { strength: 0 });
    expect((await sharp(result).metadata()).icc).toBeUndefined();
    for (const [at, value] of [200, 80, 60].entries()) {
      expect(Math.abs((pixelAt(await pixelsOf(result as Uint8Array), 4, 4)[at] ?? 0) - value)).toBeLessThanOrEqual(3);
    }
  });

  test("alpha stays as it was, and turns with the picture", async () => {
    const veiled = draw(6, 4, (x, y) => [200, 90, 40, x * 40 + y]);
    const original = await png(veiled);
    const result = await edited(all.replace("rotate, ", ""), { strength: 0.8 }, original);
    expect(valuesOf(result, 3)).toEqual(
      valuesOf(
        draw(6, 4, (x, y) => [0, 0, 0, (5 - x) * 40 + y]),
        3,
      ),
    );
    expect(await edited("warm", { strength: 0 }, original)).toEqual(veiled);
    const webp = await open(veiled).webp({ lossless: true, exact: true }).toBuffer();
    const fromWebp = await edited("negative", {}, webp);
    expect(valuesOf(fromWebp, 3)).toEqual(valuesOf(veiled, 3));
  });

  test("EXIF orientation is applied, and all metadata dropped", async () => {
    const tagged = await open(SCENE)
      .jpeg({ quality: 100, chromaSubsampling: "4:4:4" })
      .withMetadata({ orientation: 6, exif: { IFD0: { Copyright: "me" }, IFD3: { GPSLatitudeRef: "N" } } })
      .toBuffer();
    expect((await sharp(tagged).metadata()).exif).toBeDefined();
    const [result] = await develop(tagged, "warm", { strength: 0 });
    const { format, width, height, exif, xmp, iptc, icc, orientation } = await sharp(result).metadata();
    expect({ format, width, height, exif, xmp, iptc, icc, orientation }).toEqual({
      format: "jpeg",
      width: 32,
      height: 48,
    });
    const upright = draw(32, 48, (x, y) => pixelAt(SCENE, y, 31 - x));
    expect(distance(await pixelsOf(result as Uint8Array), upright)).toBeLessThan(2.5);
  });

  test("only the first frame of an animation is edited", async () => {
    const frames = draw(8, 16, (_, y) => (y < 8 ? [250, 0, 0] : [0, 0, 250]));
    const animated = await sharp(frames.data, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } })
      .webp({ lossless: true, loop: 0, delay: [100, 100] })
      .toBuffer();
    expect((await sharp(animated).metadata()).pages).toBe(2);
    const [result] = await develop(animated, "mirror");
    expect(await sharp(result).metadata()).toMatchObject({ format: "webp", width: 8, height: 8 });
    expect(pixelAt(await pixelsOf(result as Uint8Array), 4, 4)[0]).toBeGreaterThan(200);
  });

  test("the result has the picture's format", async () => {
    for (const format of ["jpeg", "png", "webp"] as const) {
      const [result] = await develop(await open(SCENE).toFormat(format).toBuffer(), "sepia");
      expect((await sharp(result).metadata()).format).toBe(format);
    }
  });

  /** Of more than 20 MiB. */
  function noisyPng(width: number, height: number, channels: number): Promise<Buffer> {
    const data = randomFillSync(new Uint8Array(width * height * channels));
    return open({ data, width, height, channels }).png({ compressionLevel: 0 }).toBuffer();
  }

  test.each([
    [2800, 3, "jpeg"],
    [2400, 4, "webp"],
  ])("a PNG of %d² pixels and %d channels that would be too large becomes a %s that fits", async (...row) => {
    const [side, channels, format] = row;
    const [result] = await develop(await noisyPng(side, side, channels), "mirror");
    expect(result?.length).toBeLessThanOrEqual(20 * 1024 * 1024);
    expect(await sharp(result).metadata()).toMatchObject({ format, width: side, height: side, channels });
  });

  test("a PNG that would be too large, and is too wide for any other format, is refused", async () => {
    const error = await engineErrorOf(develop(await noisyPng(66_000, 110, 3), "mirror"));
    expect(error).toMatchObject({ reason: "RESULT_TOO_LARGE", retryable: false });
  });

  test("a picture that is truncated, damaged or none at all is unreadable", async () => {
    const large = draw(200, 150, (x, y) => [(x * y) % 251, (x * 7) % 241, (y * 13) % 239]);
    const broken: Uint8Array[] = [new Uint8Array(0), Buffer.from("not a picture"), Buffer.from("<svg/>")];
    for (const format of ["jpeg", "png", "webp"] as const) {
      const whole = await open(large).toFormat(format).toBuffer();
      broken.push(whole.subarray(0, whole.length / 2), whole.subarray(0, 40));
    }
    const damaged = await png(large);
    damaged.fill(0x55, 20_000, 20_050);
    broken.push(damaged);
    for (const bytes of broken) {
      const error = await engineErrorOf(develop(bytes, "sepia"));
      expect(error.reason).toBe("PICTURE_UNREADABLE");
      expect(error.retryable).toBe(false);
    }
  });

  test("pictures of other kinds are refused", async () => {
    const svg = Buffer.from(
      `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>`,
    );
    expect((await engineErrorOf(develop(svg, "sepia"))).reason).toBe("PICTURE_UNREADABLE");
    expect((await engineErrorOf(develop(await open(SCENE).gif().toBuffer(), "sepia"))).reason).toBe(
      "PICTURE_UNREADABLE",
    );
  });
});

describe("progress and aborting", () => {
  const task = { picture: SCENE_PNG, promptGuidance: 7.5, seed: 1, prompt: "rotate, sepia, vignette, grain" };

  test.each([
    [1, 1],
    [0.5, 3],
    [0, 2],
  ])("progress rises to 1 at strength %d with %i pictures", async (strength, imageCount) => {
    const reports: number[] = [];
    await studio.develop({ ...task, strength, imageCount }, (progress) => reports.push(progress), never);
    expect(reports.length).toBeGreaterThanOrEqual(strength === 0 ? 3 : 5);
    expect(reports[0]).toBeGreaterThan(0);
    for (const [at, progress] of reports.entries()) expect(progress).toBeGreaterThan(reports[at - 1] ?? 0);
    expect(reports.at(-1)).toBe(1);
    expect(reports.filter((progress) => progress === 1)).toHaveLength(1);
  });

  test("stops with the signal's reason, before and during the work", async () => {
    const reason = new Error("cancelled by the owner");
    const full = { ...task, strength: 0.5, imageCount: 4 };
    await expect(studio.develop(full, () => {}, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const reports: number[] = [];
    const report = (progress: number) => {
      reports.push(progress);
      if (reports.length === 2) controller.abort(reason);
    };
    await expect(studio.develop(full, report, controller.signal)).rejects.toBe(reason);
    expect(reports).toHaveLength(2);
  });
});
