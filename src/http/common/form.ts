import type { Readable } from "node:stream";
import { DomainError } from "../../model/errors.ts";
import { imageMaxBytes } from "../../model/image.ts";

/** One more byte than a file may have, so that the rule, not the parser, says that it is too large. */
export const formLimits = { files: 1, fields: 8, parts: 9, fileSize: imageMaxBytes + 1, fieldSize: 4096 };

/** The validator of a route whose body is a stream, which is checked while it is read. */
export const unvalidated = () => () => true;

export function unreadableForm(cause: unknown): DomainError {
  return new DomainError("invalid_argument", "FORM_MALFORMED", "the multipart form cannot be read", { cause });
}

/** Passes a body on. One that breaks off is its sender's fault, not ours. */
export async function* received(body: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new DomainError("invalid_argument", "BODY_CUT_OFF", "the body ended before it was whole", { cause });
  }
}
