import { invalidField } from "../../model/errors.ts";
import { jpegScansMax } from "../../model/image.ts";
import { hasLength } from "./image-header.ts";

const startOfScan = 0xda;
const endOfImage = 0xd9;

/**
 * Follows a JPEG from its first scan to its end (ITU T.81, annex B). Each scan may go over every pixel and needs some ten
 * bytes, and decoders make all of them before the first row, so that nothing stops them: few bytes would be hours of work.
 */
export class JpegScans {
  #state: "data" | "marker" | "length" | "segment" = "data";
  #scans = 0;
  /** The bytes of a segment's length that are to come, and what they say so far. */
  #lengthBytes = 0;
  #length = 0;
  /** Bytes of a segment that are to come. */
  #left = 0;
  #isEnded = false;

  /** Throws `invalid_argument` on `data` at one scan too many. */
  look(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.#isEnded; ) at = this.#step(chunk, at);
  }

  isReached(): boolean {
    return this.#isEnded;
  }

  #step(chunk: Uint8Array, at: number): number {
    switch (this.#state) {
      case "data":
        return this.#toMarker(chunk, at);
      case "marker":
        this.#mark(chunk[at] ?? 0);
        return at + 1;
      case "length":
        this.#measure(chunk[at] ?? 0);
        return at + 1;
      case "segment":
        return this.#skip(chunk.length - at) + at;
    }
  }

  #toMarker(chunk: Uint8Array, from: number): number {
    const at = chunk.indexOf(0xff, from);
    if (at === -1) return chunk.length;
    this.#state = "marker";
    return at + 1;
  }

  #mark(marker: number): void {
    // A fill byte.
    if (marker === 0xff) return;
    if (marker === endOfImage) this.#isEnded = true;
    if (marker === startOfScan && ++this.#scans > jpegScansMax)
      throw invalidField("data", `must have at most ${jpegScansMax} scans, as a JPEG`);
    this.#state = hasLength(marker) ? "length" : "data";
    this.#lengthBytes = 2;
    this.#length = 0;
  }

  #measure(byte: number): void {
    this.#length = this.#length * 256 + byte;
    if (--this.#lengthBytes > 0) return;
    // The length counts its own two bytes.
    this.#left = Math.max(0, this.#length - 2);
    this.#state = this.#left > 0 ? "segment" : "data";
  }

  #skip(available: number): number {
    const skipped = Math.min(this.#left, available);
    this.#left -= skipped;
    if (this.#left === 0) this.#state = "data";
    return skipped;
  }
}
