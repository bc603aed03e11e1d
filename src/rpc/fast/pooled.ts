import type { Message } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** Private members of protobuf's writer, whose version is pinned. */
interface Writer {
  buffer: Uint8Array;
  readonly pos: number;
  ensureCapacity(size: number): void;
  finish(): Uint8Array;
}

type Serialize = (message: Message) => Uint8Array;

/** The buffer that is lent to one writer at a time; one that writes more allocates its own. */
const lent = new Uint8Array(16 * 1024);
let isFree = false;
const writer = BinaryWriter.prototype as object as Writer;
const { ensureCapacity, finish } = writer;

writer.ensureCapacity = function (size) {
  if (isFree && this.buffer.length === 0) {
    isFree = false;
    this.buffer = lent;
  }
  ensureCapacity.call(this, size);
};

writer.finish = function () {
  return this.buffer === lent ? Buffer.from(lent.subarray(0, this.pos)) : finish.call(this);
};

/**
 * The same bytes, in a buffer from Node's pool. protobuf allocates three buffers for a small message, and another thread frees
 * them: a seventh of a call. So the first writer that `serialize` makes is lent a buffer; all others stay as they are.
 */
export function pooled(serialize: Serialize): Serialize {
  return (message) => {
    isFree = true;
    try {
      return serialize(message);
    } finally {
      isFree = false;
    }
  };
}
