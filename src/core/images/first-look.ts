import { DomainError } from "../../model/errors.ts";
import { fileMaxBytes } from "../../model/file.ts";
import { imageType } from "./image-header.ts";

/** The bytes that tell a picture's type. */
const headBytes = 12;

/** Tells a file's size, and whether it looks like a picture, as it streams by. */
export class FirstLook {
  #size = 0;
  #head = Buffer.alloc(0);

  /** The same bytes; throws as soon as there are too many. */
  async *pass(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      this.#size += piece.byteLength;
      if (this.#size > fileMaxBytes) throw tooLarge();
      if (this.#head.length < headBytes) this.#head = Buffer.concat([this.#head, piece.subarray(0, headBytes)]);
      yield piece;
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Whether the file begins like a picture. */
  get seemsPicture(): boolean {
    return imageType(this.#head) !== undefined;
  }
}

function tooLarge(): DomainError {
  const message = `the file has more than ${fileMaxBytes} bytes (20 MiB)`;
  return new DomainError("invalid_argument", "FILE_TOO_LARGE", message);
}
