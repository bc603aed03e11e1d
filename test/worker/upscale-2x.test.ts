import { setTimeout } from "node:timers/promises";
import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import type { Task } from "../../src/worker/engine.ts";
import { listModels, loadEngines } from "../../src/worker/engines/catalogue.ts";
import type { Frame } from "../../src/worker/engines/picture/frame.ts";
import { enlargeTiles } from "../../src/worker/engines/upscale-2x/enlarge.ts";
import { loadNetwork } from "../../src/worker/engines/upscale-2x/network.ts";
import { tilesOf } from "../../src/worker/engines/upscale-2x/tiles.ts";
import { upscale2x } from "../../src/worker/engines/upscale-2x/upscale-2x.ts";
import { engineErrorOf } from "./engine-error.ts";

const never = new AbortController().signal;

/** Circles, lines and ramps of 64 by 48 pixels, without symmetry; drawn large, so that its edges are smooth. */
const scene = sharp(
  Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="512" height="384">
    <rect width="512" height="384" fill="#8ab4d8"/><rect y="260" width="512" height="124" fill="#4a7a3c"/>
    <circle cx="150" cy="140" r="90" fill="#e9c23f"/><circle cx="330" cy="220" r="110" fill="#b0413e"/>
    <path d="M20 370 L490 30 M60 20 L200 380" stroke="#222" stroke-width="14"/></svg>`),
);
const large = await scene.removeAlpha().png().toBuffer();
const small = await sharp(large).resize(64, 48).png().toBuffer();

function develop(picture: Uint8Array, changes: Partial<Task> = {}): Promise<Uint8Array[]> {
  return upscale2x.develop(taskOf(picture, changes), () => {}, never);
}

function taskOf(picture: Uint8Array, changes: Partial<Task> = {}): Task {
  return { picture, prompt: "anything", promptGuidance: 7.5, strength: 1, seed: 7, imageCount: 1, ...changes };
}

async function pixelsOf(image: Sharp): Promise<Frame> {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { pixels: new Uint8Array(data), width: info.width, height: info.height, channels: info.channels as 3 };
}

async function enlarged(picture: Uint8Array, changes: Partial<Task> = {}): Promise<Frame> {
  const [result] = await develop(picture, changes);
  return pixelsOf(sharp(result));
}

function bicubic(picture: Uint8Array, width = 128, height = 96): Promise<Frame> {
  return pixelsOf(sharp(picture).resize(width, height, { fit: "fill", kernel: "cubic" }));
}

function differences(a: Frame, b: Frame): number[] {
  expect([a.width, a.height, a.channels]).toEqual([b.width, b.height, b.channels]);
  return Array.from(a.pixels, (value, at) => Math.abs(value - (b.pixels[at] ?? 0)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe("the enlargement", () => {
  test("is nearer to the truth than the usual one", async () => {
    const truth = await pixelsOf(sharp(large).resize(128, 96));
    const error = (picture: Frame) => mean(differences(picture, truth).map((difference) => difference ** 2));
    expect(error(await enlarged(small))).toBeLessThan(error(await bicubic(small)) * 0.8);
  });

  test("in tiles is the same as of the whole picture at once, however the tiles lie", async () => {
    const network = await loadNetwork();
    const colour = await pixelsOf(sharp(small));
    const whole = await enlargeTiles(colour, tilesOf(colour, 64), network, async () => {});
    for (const side of [7, 16, 33]) {
      const tiles = tilesOf(colour, side);
      expect(tiles.length).toBeGreaterThan(1);
      const difference = differences(await enlargeTiles(colour, tiles, network, async () => {}), whole);
      // The order of sums differs with the tile's size, so a half may round the other way.
      expect(Math.max(...difference)).toBeLessThanOrEqual(1);
      expect(mean(difference)).toBeLessThan(0.001);
    }
  });

  test("keeps an even surface even, up to its corners", async () => {
    const flat = await sharp({ create: { width: 21, height: 13, channels: 3, background: "#b45a28" } })
      .png()
      .toBuffer();
    expect(Math.max(...differences(await enlarged(flat), await bicubic(flat, 42, 26)))).toBeLessThanOrEqual(4);
  });

  test("at strength 0 is the usual one, and between blends", async () => {
    const plain = await bicubic(small);
    expect(await enlarged(small, { strength: 0 })).toEqual(plain);
    const full = await enlarged(small);
    const expected = plain.pixels.map((value, at) => Math.round((value + (full.pixels[at] ?? 0)) / 2));
    expect((await enlarged(small, { strength: 0.5 })).pixels).toEqual(expected);
  });

  test("is one picture, as often as wanted, whatever the prompt and the seed", async () => {
    const four = await develop(small, { imageCount: 4, prompt: "blue", seed: 1 });
    expect(four).toHaveLength(4);
    for (const picture of four) expect(picture).toEqual(four[0]);
    expect(await develop(small, { prompt: "red", promptGuidance: 30, seed: 2 })).toEqual([four[0]]);
  });
});

describe("odd pictures", () => {
  test("tiles cover every size, without gaps or overlaps, and none is larger than asked for", () => {
    for (const [width, height] of [
      [1, 1],
      [1, 300],
      [129, 127],
      [257, 500],
    ] as const) {
      const covered = new Uint8Array(width * height);
      for (const { left, top, ...size } of tilesOf({ pixels: covered, width, height, channels: 1 }, 128)) {
        expect(Math.min(size.width, size.height)).toBeGreaterThan(0);
        expect(Math.max(size.width, size.height)).toBeLessThanOrEqual(128);
        for (let y = top; y < top + size.height; y++)
          for (let x = left; x < left + size.width; x++) covered[y * width + x] = (covered[y * width + x] ?? 0) + 1;
      }
      expect(covered.every((count) => count === 1)).toBe(true);
    }
  });

  test.each(["jpeg", "png", "webp"] as const)("%s stays what it is, down to one pixel", async (format) => {
    for (const [width, height] of [
      [1, 1],
      [3, 40],
    ] as const) {
      const picture = await sharp(small).resize(width, height, { fit: "fill" }).toFormat(format).toBuffer();
      const [result] = await develop(picture);
      expect(await sharp(result).metadata()).toMatchObject({ format, width: 2 * width, height: 2 * height });
    }
  });

  test("alpha is kept, and enlarged by itself", async () => {
    const mask = await sharp(Buffer.from(`<svg width="64" height="48"><circle cx="30" cy="20" r="18"/></svg>`))
      .extractChannel(3)
      .toBuffer();
    const veiled = await sharp(small).joinChannel(mask).png().toBuffer();
    const result = await enlarged(veiled);
    expect(result.channels).toBe(4);
    const alpha = result.pixels.filter((_, at) => at % 4 === 3);
    const expected = await sharp(mask)
      .resize(128, 96, { fit: "fill", kernel: "cubic" })
      .extractChannel(0)
      .raw()
      .toBuffer();
    expect(Math.max(...alpha.map((value, at) => Math.abs(value - (expected[at] ?? 0))))).toBeLessThanOrEqual(1);
    const colour = { ...result, pixels: result.pixels.filter((_, at) => at % 4 < 3), channels: 3 as const };
    expect(Math.max(...differences(colour, await enlarged(small)))).toBe(0);
  });

  test("grey, palette, 16 bits and CMYK become what they look like", async () => {
    const grey = await sharp(small).greyscale().png().toBuffer();
    const { pixels } = await enlarged(grey);
    expect(mean([...pixels])).toBeCloseTo(mean([...(await pixelsOf(sharp(grey))).pixels]), -0.5);
    const expected = await enlarged(small);
    const deep = await sharp(small).toColourspace("rgb16").png().toBuffer();
    expect(mean(differences(await enlarged(deep), expected))).toBeLessThan(1);
    const palette = await sharp(small).png({ palette: true }).toBuffer();
    expect(mean(differences(await enlarged(palette), expected))).toBeLessThan(4);
    const cmyk = await sharp(small).toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer();
    expect(mean(differences(await enlarged(cmyk), expected))).toBeLessThan(12);
  });

  test("orientation is applied, and all metadata dropped", async () => {
    const turned = await sharp(small).rotate(270).jpeg({ quality: 100 }).withMetadata({ orientation: 6 }).toBuffer();
    const [result] = await develop(turned);
    const { width, height, orientation, exif } = await sharp(result).metadata();
    expect({ width, height, orientation, exif }).toEqual({ width: 128, height: 96 });
    expect(mean(differences(await pixelsOf(sharp(result)), await enlarged(small)))).toBeLessThan(5);
  });

  test("what is no picture, or a damaged one, is unreadable", async () => {
    for (const bytes of [Buffer.from("no picture"), small.subarray(0, small.length / 2)]) {
      expect(await engineErrorOf(develop(bytes))).toMatchObject({ reason: "PICTURE_UNREADABLE", retryable: false });
    }
  });
});

describe("limits", () => {
  const blank = (width: number, height: number, format: "png" | "webp" | "jpeg" = "png") =>
    sharp({ create: { width, height, channels: 3, background: "#777" } })
      .toFormat(format)
      .toBuffer();

  /** Begins, and is then stopped: whether it is refused is known by then. */
  async function begins(picture: Buffer): Promise<unknown> {
    const controller = new AbortController();
    const begun = new Error("it began");
    return upscale2x.develop(taskOf(picture), () => controller.abort(begun), controller.signal).catch((error) => error);
  }

  test("12.5 megapixels are taken, more are not", async () => {
    expect(await begins(await blank(5000, 2500))).toMatchObject({ message: "it began" });
    const error = await engineErrorOf(develop(await blank(5000, 2501)));
    expect(error).toMatchObject({ reason: "PICTURE_TOO_LARGE", retryable: false });
    expect(error.message).toMatch(/12\.5 megapixels.*5000 × 2501/);
  });

  test.each([
    ["webp", 8191],
    ["jpeg", 32_767],
  ] as const)("sides that do not fit into %s when they are doubled are refused", async (format, most) => {
    expect(await begins(await blank(most, 2, format))).toMatchObject({ message: "it began" });
    const error = await engineErrorOf(develop(await blank(2, most + 1, format)));
    expect(error.reason).toBe("PICTURE_TOO_LARGE");
    expect(error.message).toContain(`at most ${most} pixels a side`);
  });
});

describe("progress and stopping", () => {
  test("progress rises with each tile, to 1 at the end", async () => {
    const reports: number[] = [];
    const picture = await sharp(small).resize(300, 140).png().toBuffer();
    await upscale2x.develop(taskOf(picture), (progress) => reports.push(progress), never);
    expect(reports).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((done) => done / 8));
  });

  test("stops between tiles with the signal's reason, which timers can give meanwhile", async () => {
    const picture = await sharp(small).resize(300, 300).png().toBuffer();
    const reason = new Error("cancelled by the owner");
    await expect(upscale2x.develop(taskOf(picture), () => {}, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const reports: number[] = [];
    const report = (progress: number) => {
      reports.push(progress);
      if (reports.length === 2) setTimeout(0).then(() => controller.abort(reason));
    };
    await expect(upscale2x.develop(taskOf(picture), report, controller.signal)).rejects.toBe(reason);
    expect(reports.length).toBeLessThan(6);
  });
});

test("it is listed, and loaded, where its packages are installed", async () => {
  const settings = { sdWebui: undefined };
  expect(listModels(settings).map(({ name }) => name)).toEqual(["studio", "upscale-2x"]);
  expect([...(await loadEngines(settings)).keys()]).toEqual(["studio", "upscale-2x"]);
});
