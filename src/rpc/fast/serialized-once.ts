import type { Message } from "@bufbuild/protobuf";

type Written = string | Uint8Array;

const texts = new WeakMap<Message, Map<object, Written>>();

/** Marks a message that never changes and answers many calls, so that it is serialized once. */
export function reusable<M extends Message>(message: M): M {
  texts.set(message, new Map());
  return message;
}

/** Serializes a message by `write`; for a reusable one, gives what it made before. */
export function serializedOnce(write: (message: Message) => Written): (message: Message) => Written {
  return (message) => {
    const known = texts.get(message);
    const before = known?.get(write);
    if (before !== undefined) return before;
    const written = write(message);
    // A copy outside Node's pool: bytes from a pool would keep its whole block in memory.
    known?.set(write, typeof written === "string" ? written : Uint8Array.from(written));
    return written;
  };
}
