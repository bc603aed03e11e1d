import rhea, { type Message, type Typed } from "rhea";
import type { Stored } from "./store.ts";

/** As it goes to a receiver, or to one who peeks. */
export function encode({ message, sequence, enqueuedAt, availableAt, deliveries, lock }: Stored): Buffer {
  const annotations: Record<string, unknown> = {
    ...message.message_annotations,
    "x-opt-sequence-number": rhea.types.wrap_long(sequence),
    "x-opt-enqueued-time": rhea.types.wrap_timestamp(enqueuedAt),
  };
  if (lock !== undefined) annotations["x-opt-locked-until"] = rhea.types.wrap_timestamp(lock.until);
  if (availableAt > enqueuedAt) annotations["x-opt-message-state"] = rhea.types.wrap_int(2);
  return rhea.message.encode({ ...message, delivery_count: deliveries, message_annotations: annotations });
}

/** What came by a sender's link: one message, or the many of a batch, which is a message of encoded ones. */
export function decodeSent(message: Message | Buffer): Message[] {
  if (!Buffer.isBuffer(message)) return [message];
  const { content } = rhea.message.decode(message).body as { readonly content: Buffer | Buffer[] };
  return [content].flat().map(decode);
}

/** Of a single message rhea gives no more than the decoded one. */
export function sizeOf(message: Message | Buffer): number {
  return Buffer.isBuffer(message) ? message.length : rhea.message.encode(message).length;
}

export function decode(encoded: Buffer): Message {
  return { body: undefined, ...rhea.message.decode(encoded) };
}

export function wrapTimes(times: readonly number[]): Typed {
  return rhea.types.wrap_array([...times], 0x83, undefined);
}
