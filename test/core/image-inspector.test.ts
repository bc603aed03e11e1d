import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { ImageInspector } from "../../src/core/images/image-inspector.ts";
import { imageMaxBytes } from "../../src/model/image.ts";
import { inspect, padded, picture, withJpegSegments, withPngMetadata, withPngSize } from "./pictures.ts";

const cutOff = "is cut off: the picture's end is missing";
const noPicture = "must be a JPEG, PNG or WebP picture";
const noHeader = "has no readable picture header in its first 1 MiB";
const tooBig = "must have at most 20971520 bytes (20 MiB)";
const formats = ["jpeg", "png", "webp"] as const;
const pictures = Object.fromEntries(
  await Promise.all(formats.map(async (format) => [format, await picture(format)] as const)),
) as Record<(typeof formats)[number], Buffer>;
const { jpeg, png, webp } = pictures;
const exif = Buffer.concat([Buffer.from("Exif\0\0thumbnail"), jpeg, Buffer.from("after it")]);

describe.each(formats)("a %s", (format) => {
  const bytes = pictures[format];

  test("is known by its bytes, with its size", async () => {
    const found = { type: `image/${format}`, width: 61, height: 43, size: bytes.length };
    expect(await inspect(bytes)).toEqual(found);
    expect(await inspect(bytes, [1])).toEqual(found);
  });

  test("is refused wherever it is cut off", async () => {
    for (let kept = 1; kept < bytes.length; kept += kept < 200 || bytes.length - kept < 20 ? 1 : 97) {
      expect([cutOff, noHeader, noPicture]).toContain(await inspect(bytes.subarray(0, kept)));
      expect([cutOff, noHeader, noPicture]).toContain(await inspect(bytes.subarray(0, kept), [7]));
    }
    expect(await inspect(bytes.subarray(0, bytes.length - 1))).toBe(cutOff);
  });

  test("may have other bytes after its end", async () => {
    const longer = Buffer.concat([bytes, Buffer.alloc(10_000, "trailing")]);
    expect(await inspect(longer)).toEqual({ type: `image/${format}`, width: 61, height: 43, size: longer.length });
  });

  test("gets the same verdict in whatever pieces it comes", async () => {
    const cuts = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 20 });
    const kept = fc.integer({ min: 0, max: bytes.length });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.constant(bytes.length), kept), cuts, async (length, sizes) => {
        const part = bytes.subarray(0, length);
        expect(await inspect(part, sizes)).toEqual(await inspect(part));
      }),
    );
  });
});

const startOfScan = Buffer.from([0xff, 0xda]);

describe("a JPEG", () => {
  test("of many kinds is taken", async () => {
    for (const options of [{ progressive: true }, { mozjpeg: true }, { chromaSubsampling: "4:4:4" }]) {
      const bytes = await sharp(jpeg).jpeg(options).toBuffer();
      expect(await inspect(bytes)).toMatchObject({ type: "image/jpeg", width: 61, height: 43 });
    }
    const turned = await sharp(jpeg).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect(await inspect(turned)).toMatchObject({ width: 61, height: 43 });
    const grey = await sharp(jpeg).greyscale().jpeg().toBuffer();
    expect(await inspect(grey, [3])).toMatchObject({ width: 61, height: 43 });
  });

  test("is not whole by the end of its thumbnail", async () => {
    const bytes = withJpegSegments(jpeg, 0xe1, [exif]);
    expect(await inspect(bytes)).toMatchObject({ width: 61, height: 43, size: bytes.length });
    for (const kept of [bytes.length - 1, bytes.length - 2, bytes.length - 500, exif.length + 10]) {
      for (const sizes of [[kept], [1], [100], [exif.length + 4, 1]]) {
        expect([cutOff, noHeader]).toContain(await inspect(bytes.subarray(0, kept), sizes));
      }
    }
  });

  test("may have fill bytes in front of any marker", async () => {
    const found = { type: "image/jpeg", width: 61, height: 43 };
    for (let at = 2; jpeg[at + 1] !== 0xda; at += 2 + jpeg.readUInt16BE(at + 2)) {
      const filled = Buffer.concat([jpeg.subarray(0, at), Buffer.alloc(5, 0xff), jpeg.subarray(at)]);
      expect(await inspect(filled)).toMatchObject(found);
    }
  });

  test("with its end's two bytes in two pieces is whole", async () => {
    expect(await inspect(jpeg, [jpeg.length - 1, 1])).toMatchObject({ type: "image/jpeg" });
    const long = await picture("jpeg", { width: 300, height: 300 });
    for (const last of [1, 2, 3]) expect(await inspect(long, [long.length - last, 1])).toMatchObject({ width: 300 });
  });

  test("may have 100 scans and no more: decoders make each whole before they can be stopped", async () => {
    const progressive = await sharp(jpeg).jpeg({ progressive: true }).toBuffer();
    const [lastScan, end] = [progressive.lastIndexOf(startOfScan), progressive.length - 2];
    const scan = progressive.subarray(lastScan, end);
    const others = progressive.subarray(0, lastScan);
    const count = others.toString("latin1").split("\xff\xda").length - 1;
    const comment = Buffer.from([0xff, 0xfe, 0, 6, 0xff, 0xd9, 0xff, 0xda]);
    const scans = (number: number, between = Buffer.alloc(0)) => {
      const more = Array.from({ length: number - count }, () => Buffer.concat([between, scan]));
      return Buffer.concat([others, ...more, progressive.subarray(end)]);
    };
    const after = Buffer.concat(Array.from({ length: 200 }, () => startOfScan));
    for (const sizes of [[1], [7], [100_000]]) {
      expect(await inspect(scans(100, comment), sizes)).toMatchObject({ width: 61, height: 43 });
      expect(await inspect(Buffer.concat([scans(100), after]), sizes)).toMatchObject({ width: 61, height: 43 });
      expect(await inspect(scans(101), sizes)).toBe("must have at most 100 scans, as a JPEG");
      expect(await inspect(scans(101, comment), sizes)).toBe("must have at most 100 scans, as a JPEG");
      expect(await inspect(scans(100, comment).subarray(0, -2), sizes)).toBe(cutOff);
    }
  });

  test("is refused when its header is broken", async () => {
    for (const at of [2, 3, 4, 5]) {
      const broken = Buffer.from(jpeg);
      broken.fill(0x11, at, at + 3);
      expect([noPicture, noHeader]).toContain(await inspect(broken));
    }
    expect(await inspect(Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(100_000)]))).toBe(noHeader);
  });

  /** A header of 1 × 1 pixels, and where the pixels begin. */
  const tiny = Buffer.from("ffc0000b080001000101011100ffda0008010100003f00", "hex");

  test("is refused with a marker that has no length, by which decoders read other segments than are looked at", async () => {
    const hidden = Buffer.alloc(0xfefe);
    tiny.copy(hidden, 32_760);
    const bytes = withJpegSegments(jpeg, 0xfe, [Buffer.alloc(0x7ffe), hidden]);
    for (const marker of [0x00, 0x01, 0x02, 0xbf, 0xd0, 0xd7, 0xd8, 0xd9]) {
      const bomb = Buffer.concat([bytes.subarray(0, 2), Buffer.from([0xff, marker]), bytes.subarray(2)]);
      expect(await inspect(bomb)).toBe(noHeader);
      expect(await inspect(bomb, [1000])).toBe(noHeader);
    }
  });

  test("is refused with two headers", async () => {
    const frame = tiny.subarray(0, 13);
    expect(await inspect(Buffer.concat([jpeg.subarray(0, 2), frame, jpeg.subarray(2)]))).toBe(noHeader);
  });

  const segments = (bytes: number) =>
    Array.from({ length: Math.ceil(bytes / 65_000) }, () => Buffer.alloc(65_000, "x"));

  test("may have metadata of nearly a mebibyte in front of its header", async () => {
    const bytes = withJpegSegments(jpeg, 0xe2, segments(900_000));
    for (const size of [bytes.length, 1000, 60_000, 65_536]) {
      expect(await inspect(bytes, [size])).toMatchObject({ width: 61, height: 43, size: bytes.length });
    }
  });

  test("is refused with more of it, in whatever pieces it comes", async () => {
    const bytes = withJpegSegments(jpeg, 0xe2, segments(1_500_000));
    const verdicts: unknown[] = [];
    for (const size of [bytes.length, 1000, 60_000, 65_536, 1_100_000]) verdicts.push(await inspect(bytes, [size]));
    expect(verdicts).toEqual(verdicts.map(() => noHeader));
  });
});

describe("a PNG", () => {
  const pixels = (width: number, height: number) => inspect(withPngSize(png, width, height));

  test("of other kinds is taken", async () => {
    for (const options of [{ palette: true }, { progressive: true }, { compressionLevel: 0 }]) {
      const bytes = await sharp(png).png(options).toBuffer();
      expect(await inspect(bytes, [5])).toMatchObject({ type: "image/png", width: 61, height: 43 });
    }
  });

  test("may have 50 megapixels and no more", async () => {
    expect(await pixels(50_000_000, 1)).toMatchObject({ width: 50_000_000, height: 1 });
    expect(await pixels(10_000, 5000)).toMatchObject({ width: 10_000, height: 5000 });
    expect(await pixels(50_000_001, 1)).toBe("must have at most 50000000 pixels; it has 50000001 × 1");
    expect(await pixels(7072, 7072)).toMatch(/at most 50000000 pixels/);
    expect(await pixels(30_000, 30_000)).toBe("must have at most 50000000 pixels; it has 30000 × 30000");
    expect(await pixels(2 ** 32 - 1, 2 ** 32 - 1)).toMatch(/at most 50000000 pixels/);
  });

  test("that is too large is refused by its first bytes", async () => {
    const bomb = Buffer.concat([withPngSize(png, 30_000, 30_000).subarray(0, 5000), Buffer.alloc(100_000)]);
    const inspector = new ImageInspector();
    let given = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      for (; given < bomb.length; given += 1000) yield bomb.subarray(given, given + 1000);
    }
    await expect(async () => {
      for await (const _ of inspector.pass(source()));
    }).rejects.toThrow(/30000 × 30000/);
    expect(given).toBeLessThan(10_000);
  });

  test("without any pixels is refused", async () => {
    for (const [width, height] of [
      [0, 43],
      [61, 0],
      [0, 0],
    ] as const) {
      expect(await pixels(width, height)).toBe(noHeader);
    }
  });

  test("may have 20 MiB and no more", async () => {
    const room = imageMaxBytes - png.length - 12;
    const most = padded(png, room);
    expect(most.length).toBe(imageMaxBytes);
    expect(await inspect(most, [65_536])).toEqual({ type: "image/png", width: 61, height: 43, size: imageMaxBytes });
    expect(await inspect(most)).toMatchObject({ size: imageMaxBytes });
    expect(await inspect(padded(png, room + 1), [65_536])).toBe(tooBig);
    expect(await inspect(Buffer.concat([most, Buffer.from("x")]))).toBe(tooBig);
  });

  test("is refused as soon as it is too long, however long it goes on", async () => {
    const inspector = new ImageInspector();
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield png.subarray(0, 100);
      for (const piece = Buffer.alloc(1024 * 1024); ; given += 1) yield piece;
    }
    await expect(async () => {
      for await (const _ of inspector.pass(endless()));
    }).rejects.toThrow(tooBig);
    expect(given).toBe(19);
  });

  test("is not whole by the end of another picture in its metadata", async () => {
    const bytes = withPngMetadata(png, png);
    expect(await inspect(bytes)).toMatchObject({ width: 61, height: 43 });
    expect(await inspect(bytes.subarray(0, 33 + 12 + png.length + 40))).toBe(cutOff);
  });

  test("with its end in several pieces is whole", async () => {
    for (let last = 1; last <= 9; last += 1) {
      expect(await inspect(png, [png.length - last, 1])).toMatchObject({ type: "image/png" });
      expect(await inspect(png, [png.length - last, 3])).toMatchObject({ type: "image/png" });
    }
  });
});

describe("a WebP", () => {
  test("may say by how much it is to be shown larger, which is no part of its size", async () => {
    const scaled = Buffer.from(webp);
    for (const at of [27, 29]) scaled[at] = (scaled[at] ?? 0) | 0xc0;
    expect(await inspect(scaled, [9])).toMatchObject({ width: 61, height: 43 });
  });

  test("of other kinds is taken", async () => {
    const transparent = sharp({ create: { width: 61, height: 43, channels: 4, background: "#12345678" } });
    for (const bytes of [
      await sharp(webp).webp({ lossless: true }).toBuffer(),
      await transparent.clone().webp().toBuffer(),
      await sharp(webp).withMetadata({ orientation: 3 }).webp().toBuffer(),
    ]) {
      expect(await inspect(bytes, [9])).toMatchObject({
        type: "image/webp",
        width: 61,
        height: 43,
        size: bytes.length,
      });
    }
  });
});

describe("no picture", async () => {
  test.each([
    ["PNG", png, 16],
    ["PNG", png, 20],
    ["WebP", webp, 16],
    ["WebP", webp, 24],
  ])("is a %s that ends in its header, and nothing is said of the memory behind it", async (_, bytes, kept) => {
    const start = Buffer.from(bytes.subarray(0, kept));
    const pooled = Buffer.allocUnsafe(8);
    new Uint8Array(pooled.buffer).fill(0x41, pooled.byteOffset);
    expect(await inspect(start)).toBe(noHeader);
  });

  test("is nothing at all", async () => {
    expect(await inspect(Buffer.alloc(0))).toBe("must not be empty");
    const inspector = new ImageInspector();
    async function* empty(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(0);
      yield Buffer.alloc(0);
    }
    await expect(async () => {
      for await (const _ of inspector.pass(empty()));
    }).rejects.toThrow(/must not be empty/);
    expect(() => inspector.result).toThrow();
  });

  const tiff = Buffer.concat([Buffer.from("II*\0"), Buffer.alloc(100)]);
  const bmp = Buffer.concat([Buffer.from("BM"), Buffer.alloc(100)]);

  test.each<[string, Buffer]>([
    ["one byte", Buffer.from([0xff])],
    ["text", Buffer.from("just text")],
    ["long text", Buffer.alloc(100_000, "just text ")],
    ["SVG", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')],
    ["GIF", await sharp(png).gif().toBuffer()],
    ["TIFF", tiff],
    ["BMP", bmp],
    ["AVIF", await sharp(png).avif({ effort: 0 }).toBuffer()],
    ["RIFF that is no WebP", Buffer.concat([Buffer.from("RIFF\x24\0\0\0WAVEfmt "), Buffer.alloc(100)])],
    ["zeros", Buffer.alloc(100)],
    ["a picture after a blank", Buffer.concat([Buffer.from(" "), png])],
  ])("is %s", async (_, bytes) => {
    expect(await inspect(bytes)).toBe(noPicture);
    expect(await inspect(bytes, [3])).toBe(noPicture);
  });

  test("is a picture's first bytes with nothing sensible after them", async () => {
    for (const start of [png.subarray(0, 8), jpeg.subarray(0, 3), Buffer.from("RIFF\xff\0\0\0WEBP", "latin1")]) {
      for (const rest of ["", "garbage", "IHDR".repeat(1000), "\xff\xd9IEND\xaeB`\x82".repeat(1000)]) {
        const verdict = await inspect(Buffer.concat([start, Buffer.from(rest, "latin1")]));
        expect(typeof verdict).toBe("string");
      }
    }
  });

  test("is refused or taken, whatever bytes follow a picture's first, in whatever pieces", async () => {
    const starts = fc.constantFrom(png.subarray(0, 16), jpeg.subarray(0, 20), webp.subarray(0, 16), Buffer.alloc(0));
    await fc.assert(
      fc.asyncProperty(
        starts,
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 1, max: 50 }),
        async (start, rest, size) => {
          const bytes = Buffer.concat([start, rest]);
          expect(await inspect(bytes, [size])).toEqual(await inspect(bytes));
        },
      ),
      { numRuns: 300 },
    );
  });
});
