import { text } from "node:stream/consumers";
import { limitedBytes } from "../../helpers/limited-bytes.ts";
import { isId } from "../../model/ids.ts";
import type { IdleTimeout } from "./idle-timeout.ts";

/** Bytes of an answer that names a picture. */
const answerMax = 64 * 1024;

/** The bytes that the service sends; the timeout runs while it sends none. */
export async function* received(response: Response, timeout: IdleTimeout): AsyncGenerator<Uint8Array> {
  timeout.start();
  for await (const chunk of response.body ?? []) {
    timeout.pause();
    yield chunk;
    timeout.start();
  }
  timeout.pause();
}

/** The picture's bytes; null when the service does not say how many. */
export function sizeOf({ headers }: Response): number | null {
  const length = headers.get("content-length");
  return length === null || headers.has("content-encoding") ? null : Number(length);
}

/** A refusal that the same call would meet again. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** A redirect or a key that the service does not know is for the operator to mend: until then it counts as an outage. */
export function isRefusal({ status }: Response): boolean {
  return status === 501 || (status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status));
}

/** The id of the stored picture. Rejects with {@link Refusal} when it would never be stored, or never be found again. */
export async function idIn(response: Response, timeout: IdleTimeout): Promise<string> {
  const { status, ok } = response;
  // A service that answers 200 may have stored the picture: each further try may leave a copy there.
  if (isRefusal(response) || (ok && status !== 201)) throw new Refusal(`POST /images was answered ${status}`);
  if (!ok) throw new Error(`POST /images was answered ${status}`);
  const { uuid } = parsed(await text(limitedBytes(received(response, timeout), answerMax, tooLong)));
  if (typeof uuid === "string" && isId(uuid)) return uuid;
  throw new Refusal("POST /images was answered without a uuid of 1 to 64 letters, digits, '-' and '_'");
}

function tooLong(): Error {
  return new Error(`it sent more than ${answerMax} bytes`);
}

function parsed(json: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}

/** `fetch` says why in its error's cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
