import { imageMaxBytes } from "../../../model/image.ts";
import { EngineError } from "../../engine.ts";
import { readPicture } from "../picture/picture.ts";
import type { Answer } from "./exchange.ts";
import { invalidAnswer } from "./failures.ts";

/** Base64 of the largest picture, and what the server says beside the pictures. */
const base64MaxBytes = Math.ceil((imageMaxBytes * 4) / 3) + 4;
const otherMaxBytes = 1024 * 1024;

export function answerMaxFor(imageCount: number): number {
  return imageCount * base64MaxBytes + otherMaxBytes;
}

/** The first `count` pictures: extensions of the server may add pictures of their own after them. */
export async function readPictures({ type, text }: Answer, count: number): Promise<Uint8Array[]> {
  if (!/^application\/json\b/i.test(type)) throw invalidAnswer("is not JSON");
  const images = imagesOf(parse(text));
  if (images.length < count) {
    const found = images.length === 0 ? "no picture" : `only ${images.length} of the ${count} pictures`;
    throw invalidAnswer(`has ${found}`);
  }
  const pictures: Uint8Array[] = [];
  for (const image of images.slice(0, count)) pictures.push(await checked(decode(image)));
  return pictures;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalidAnswer("is not JSON", cause);
  }
}

function imagesOf(answer: unknown): unknown[] {
  const images = typeof answer === "object" && answer !== null && "images" in answer ? answer.images : undefined;
  return Array.isArray(images) ? images : [];
}

function decode(image: unknown): Uint8Array {
  const text = typeof image === "string" ? image.replace(/^data:[^,]*,/, "") : "";
  const bytes = Buffer.from(text, "base64");
  // Node skips what is no base64; what was skipped is missing when it is encoded again.
  if (bytes.length === 0 || bytes.toString("base64") !== text) throw invalidAnswer("has a picture in broken base64");
  return bytes;
}

async function checked(picture: Uint8Array): Promise<Uint8Array> {
  if (picture.length > imageMaxBytes)
    throw new EngineError("RESULT_TOO_LARGE", "The image server's picture is larger than 20 MiB.");
  await readPicture(picture).catch((cause: unknown) => {
    throw invalidAnswer("has something in it that is no JPEG, PNG or WebP picture", cause);
  });
  return picture;
}
