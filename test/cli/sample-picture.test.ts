import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { drawSamplePicture } from "../../src/cli/sample-picture.ts";

describe("the sample picture", async () => {
  const picture = await drawSamplePicture();

  test("is a JPEG of 1200 by 800 without metadata", async () => {
    const { format, width, height, space, exif, orientation } = await sharp(picture).metadata();
    expect({ format, width, height, space }).toEqual({ format: "jpeg", width: 1200, height: 800, space: "srgb" });
    expect([exif, orientation]).toEqual([undefined, undefined]);
    expect(picture.length).toBeLessThan(1024 * 1024);
  });

  test("is the same each time", async () => {
    expect(Buffer.compare(await drawSamplePicture(), picture)).toBe(0);
  });

  test("is rich enough for every edit to show", async () => {
    const { channels, entropy, sharpness } = await sharp(picture).stats();
    for (const { min, max, stdev } of channels) {
      expect(min).toBeLessThan(40);
      expect(max).toBeGreaterThan(230);
      expect(stdev).toBeGreaterThan(40);
    }
    expect(entropy).toBeGreaterThan(6.5);
    expect(sharpness).toBeGreaterThan(1);
  });

  test("has its title in the corner, without needing a font", async () => {
    const corner = await sharp(picture)
      .extract({ left: 46, top: 716, width: 368, height: 46 })
      .greyscale()
      .raw()
      .toBuffer();
    const light = corner.filter((value) => value > 215).length / corner.length;
    expect(light).toBeGreaterThan(0.08);
    expect(light).toBeLessThan(0.4);
    expect(String(drawSamplePicture)).not.toContain("<text");
  });
});
