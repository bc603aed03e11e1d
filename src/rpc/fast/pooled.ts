import type { Message } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** What protobuf's writer, whose version is pinned, keeps to itself. */
interface Writer {
  buffer: Uint8Array;
  readonly pos: number;
  ensureCapacity(size: number): void;
  finish(): Uint8Array;
}

type Serialize = (message: Message) => Uint8Array;

/** Bytes: what is longer would not come from Node's pool either. */
const scratch = new Uint8Array(4 * 1024);
let isFree = false;
const writer = BinaryWriter.prototype as object as Writer;
const { ensureCapacity, finish } = writer;

writer.ensureCapacity = function (size) {
  if (isFree && this.buffer.length === 0) {
    isFree = false;
    this.buffer = scratch;
  }
  ensureCapacity.call(this, size);
};

writer.finish = function () {
  return this.buffer === scratch ? Buffer.from(scratch.subarray(0, this.pos)) : finish.call(this);
};

/**
 * The same bytes, in a buffer from Node's pool. protobuf allocates three for a small message; another thread frees them, and
 * together that takes a seventh of a call. Only the first writer that `serialize` makes is lent the one to write to.
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
