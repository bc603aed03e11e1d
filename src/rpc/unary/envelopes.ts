import { Code, ConnectError } from "@connectrpc/connect";
import type { encodeEnvelopes } from "@connectrpc/connect/protocol";
import { assertSize } from "./body.ts";

export type Envelope = Parameters<typeof encodeEnvelopes>[number];

/** Before the data of each: a byte of flags, and four of its length. */
const headBytes = 5;

/** Refuses a body as soon as its first envelope says that it is too large, or when more follows than one can hold. */
export function assertBeginning(body: Buffer, max: number): void {
  if (body.length < headBytes) return;
  assertSize(body.readUInt32BE(1), max);
  if (body.length > headBytes + max) throw extraMessage();
}

/** The data of the one message in a body; envelopes with `skippedFlag` count for nothing. */
export function onlyMessage(body: Buffer, skippedFlag: number): Envelope {
  let found: Envelope | undefined;
  for (let at = 0; at < body.length; ) {
    const start = at + headBytes;
    const end = start > body.length ? start : start + body.readUInt32BE(at + 1);
    if (end > body.length) throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
    const flags = body[at] as number;
    if ((flags & skippedFlag) === 0) {
      if (found !== undefined) throw extraMessage();
      found = { flags, data: body.subarray(start, end) };
    }
    at = end;
  }
  if (found !== undefined) return found;
  throw new ConnectError("protocol error: missing input message for unary method", Code.Unimplemented);
}

function extraMessage(): ConnectError {
  return new ConnectError("protocol error: received extra input message for unary method", Code.Unimplemented);
}
