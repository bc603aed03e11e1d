import { Code, ConnectError } from "@connectrpc/connect";
import { compressedFlag, type encodeEnvelopes, envelopeDecompress } from "@connectrpc/connect/protocol";
import { chain } from "../../helpers/maybe-promise.ts";
import { assertSize, readBody } from "./body.ts";
import type { Compression, FastCall } from "./call.ts";

export type Envelope = Parameters<typeof encodeEnvelopes>[number];

/** The head of an envelope, before its data: one byte of flags, and four of the length. */
const headBytes = 5;

/** The head of an envelope whose data is in parts. */
export function headOf(flags: number, parts: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUInt8(flags);
  head.writeUInt32BE(sizeOf(parts), 1);
  return head;
}

/** As Connect encodes them, but in a buffer from Node's pool: to allocate one takes as long as to fill it. */
export function joined(envelopes: readonly Envelope[]): Buffer {
  const body = Buffer.allocUnsafe(envelopes.reduce((sum, { data }) => sum + headBytes + data.length, 0));
  let at = 0;
  for (const { flags, data } of envelopes) {
    body[at] = flags;
    body.writeUInt32BE(data.length, at + 1);
    body.set(data, at + headBytes);
    at += headBytes + data.length;
  }
  return body;
}

export function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** Reads the one message of a body; envelopes with `skippedFlag` are ignored. */
export function receiveEnveloped(
  call: FastCall,
  compression: Compression | null,
  skippedFlag: number,
): Uint8Array | Promise<Uint8Array> {
  const { readMaxBytes } = call.procedure.options;
  const sent = readBody(call, (sofar) => assertBeginning(sofar, readMaxBytes));
  return chain(sent, (body) => {
    const message = onlyMessage(body, skippedFlag);
    if ((message.flags & compressedFlag) === 0) return message.data;
    return envelopeDecompress(message, compression, readMaxBytes).then(({ data }) => data);
  });
}

/**
 * Refuses a body as soon as its first envelope says that it is too large, or when more follows than one can hold. Returns
 * the bytes of that envelope, or 0 while its head is not complete.
 */
function assertBeginning(body: Buffer, max: number): number {
  if (body.length < headBytes) return 0;
  const size = body.readUInt32BE(1);
  assertSize(size, max);
  if (body.length > headBytes + max) throw extraMessage();
  return headBytes + size;
}

function onlyMessage(body: Buffer, skippedFlag: number): Envelope {
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
  throw missingMessage();
}

export function missingMessage(): ConnectError {
  return new ConnectError("protocol error: missing input message", Code.Unimplemented);
}

function extraMessage(): ConnectError {
  return new ConnectError("protocol error: received extra input message", Code.Unimplemented);
}
