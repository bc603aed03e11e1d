import sharp, { type Sharp } from "sharp";
import { imageMaxBytes, imageMaxPixels } from "../../../model/image.ts";
import { EngineError } from "../../engine.ts";
import { type Frame, open, plain } from "./frame.ts";

export type Format = "jpeg" | "png" | "webp";

/** What a picture's header says; upright, whatever its orientation. */
export interface Header {
  readonly format: Format;
  readonly width: number;
  readonly height: number;
}

/** A decoded picture. Edits see the colour only, so alpha stays as it was. */
export interface DecodedPicture {
  readonly colour: Frame;
  readonly alpha: Frame | undefined;
  readonly format: Format;
}

/** Pixels a side: JPEG and WebP count them in 16 and 14 bits. */
export const sideMax: Readonly<Record<Format, number>> = { jpeg: 65_535, png: 2 ** 31 - 1, webp: 16_383 };

/** The first is normal; the others are for results that would be too large. */
const qualities = [92, 84, 74, 60] as const;

export async function readHeader(bytes: Uint8Array): Promise<Header> {
  return readable(async () => {
    const { format, autoOrient } = await openBytes(bytes).metadata();
    return { format: known(format), width: autoOrient.width, height: autoOrient.height };
  });
}

/** Decodes to upright 8-bit sRGB, whatever the picture's own colour space, depth and orientation. */
export async function readPicture(bytes: Uint8Array): Promise<DecodedPicture> {
  return readable(() => decode(bytes));
}

/** A pipeline that begins with the upright picture. What it throws, {@link readable} explains. */
export function openBytes(bytes: Uint8Array): Sharp {
  return sharp(bytes, { autoOrient: true, failOn: "error", limitInputPixels: imageMaxPixels });
}

/** Whatever goes wrong in `work`, the picture is at fault. */
export async function readable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const message = "The picture cannot be decoded. It may be truncated or damaged.";
    throw new EngineError("PICTURE_UNREADABLE", message, { cause });
  }
}

function known(format: string): Format {
  if (format === "jpeg" || format === "png" || format === "webp") return format;
  throw new Error(`a ${format}, not a picture`);
}

async function decode(bytes: Uint8Array): Promise<DecodedPicture> {
  const image = openBytes(bytes);
  const format = known((await image.metadata()).format);
  const { data, info } = await image.toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  if (info.channels === 3)
    return { colour: { pixels: plain(data), width, height, channels: 3 }, alpha: undefined, format };
  if (info.channels !== 4) throw new Error(`${info.channels} channels`);
  return { ...(await split(data, width, height)), format };
}

async function split(pixels: Uint8Array, width: number, height: number): Promise<{ colour: Frame; alpha: Frame }> {
  const image = () => sharp(pixels, { raw: { width, height, channels: 4 } });
  const colour = await image().removeAlpha().raw().toBuffer();
  const alpha = await image().extractChannel(3).toColourspace("b-w").raw().toBuffer();
  return {
    colour: { pixels: plain(colour), width, height, channels: 3 },
    alpha: { pixels: plain(alpha), width, height, channels: 1 },
  };
}

export async function turnPicture(
  picture: DecodedPicture,
  turn: (frame: Frame) => Promise<Frame>,
): Promise<DecodedPicture> {
  const alpha = picture.alpha && (await turn(picture.alpha));
  return { ...picture, colour: await turn(picture.colour), alpha };
}

/** Encodes in the picture's own format, without metadata, at the best quality that fits. */
export async function writePicture(picture: DecodedPicture, signal?: AbortSignal): Promise<Uint8Array> {
  for (const encode of encodersOf(picture)) {
    signal?.throwIfAborted();
    const bytes = await encode(joined(picture)).toBuffer();
    if (bytes.length <= imageMaxBytes) return bytes;
  }
  throw new EngineError("RESULT_TOO_LARGE", "The edited picture is larger than 20 MiB in every format it could take.");
}

/** In order of preference. PNG gives way to a lossy format, since only that can make a large photograph fit. */
function encodersOf({ format, alpha, colour }: DecodedPicture): ((image: Sharp) => Sharp)[] {
  const lossyFormat = format === "webp" || alpha !== undefined ? "webp" : "jpeg";
  const lossy = qualities.map((quality) => (image: Sharp) => {
    return lossyFormat === "webp" ? image.webp({ quality }) : image.jpeg({ quality, chromaSubsampling: "4:4:4" });
  });
  if (format !== "png") return lossy;
  const png = (image: Sharp) => image.png();
  return Math.max(colour.width, colour.height) <= sideMax[lossyFormat] ? [png, ...lossy] : [png];
}

function joined({ colour, alpha }: DecodedPicture): Sharp {
  if (alpha === undefined) return open(colour);
  const { pixels, width, height } = alpha;
  return open(colour).joinChannel(Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength), {
    raw: { width, height, channels: 1 },
  });
}
