import { text } from "node:stream/consumers";
import { isId } from "../../model/ids.ts";
import { imageMaxBytes } from "../../model/image.ts";
import type { Patience } from "./patience.ts";

/** Bytes of an answer that names a picture. */
const answerMax = 64 * 1024;

/** What it sends, `max` bytes at most. */
export async function* limited(response: Response, max: number, patience: Patience): AsyncGenerator<Uint8Array> {
  let size = 0;
  patience.wait();
  for await (const chunk of response.body ?? []) {
    patience.rest();
    size += chunk.byteLength;
    if (size > max) throw new Error(`it sent more than ${max} bytes`);
    yield chunk;
    patience.wait();
  }
  patience.rest();
}

/** Null when it is not said. */
export function sizeOf({ headers }: Response): number | null {
  const length = headers.get("content-length");
  if (length === null || headers.has("content-encoding")) return null;
  if (Number(length) > imageMaxBytes) throw new Error(`it sent ${Number(length)} bytes`);
  return Number(length);
}

/** Of the picture that was stored. */
export async function idIn(response: Response, patience: Patience): Promise<string> {
  const { uuid } = Object(JSON.parse(await text(limited(response, answerMax, patience))));
  if (typeof uuid !== "string" || !isId(uuid)) throw new Error("POST /images was answered without a uuid");
  return uuid;
}

/** `fetch` says why in its error's cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
