import type { Message } from "@bufbuild/protobuf";

type Written = string | Uint8Array;

const texts = new WeakMap<Message, Map<object, Written>>();

/** Says of a message that nothing changes it any more, and that it is the answer to many calls: it is put into words once. */
export function repeated<M extends Message>(message: M): M {
  texts.set(message, new Map());
  return message;
}

/** What `write` makes of a message; of one that is repeated what it made before. */
export function writtenOnce(write: (message: Message) => Written): (message: Message) => Written {
  return (message) => {
    const known = texts.get(message);
    const before = known?.get(write);
    if (before !== undefined) return before;
    const written = write(message);
    // Bytes of their own: those from a pool would keep its whole block.
    known?.set(write, typeof written === "string" ? written : Uint8Array.from(written));
    return written;
  };
}
