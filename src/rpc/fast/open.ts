import type { Message } from "@bufbuild/protobuf";
import { compressionNegotiate } from "@connectrpc/connect/protocol";
import { soon } from "../../ports/soon.ts";
import { type FastCall, headerOf } from "./call.ts";
import { CallContext } from "./context.ts";
import type { Compression } from "./protocol.ts";

export interface Opened {
  readonly context: CallContext;
  /** Of the answer. */
  readonly compression: Compression | null;
  /** Reads the request's message, unless its headers are wrong already. */
  receive(): Message | Promise<Message>;
}

/** What a call's headers say. */
export function open(call: FastCall): Opened {
  const { procedure, format, request } = call;
  const { protocol, codec } = format;
  const timeout = protocol.parseTimeout(headerOf(request, protocol.timeoutHeader), procedure.options.maxTimeoutMs);
  const compression = negotiate(call);
  function receive(): Message | Promise<Message> {
    if (compression.error !== undefined) throw compression.error;
    if (timeout.error !== undefined) throw timeout.error;
    return soon(protocol.receive(call, compression.request), procedure[codec].parse);
  }
  return { context: new CallContext(call, timeout.timeoutMs), compression: compression.response, receive };
}

/** Which encodings the message came in and may be answered in; most callers name none. */
function negotiate({ procedure, format, request }: FastCall): ReturnType<typeof compressionNegotiate> {
  const { encodingHeader, acceptEncodingHeader } = format.protocol;
  const encoding = headerOf(request, encodingHeader);
  const accepted = headerOf(request, acceptEncodingHeader);
  if (encoding === null && accepted === null) return noCompression;
  return compressionNegotiate(procedure.options.acceptCompression, encoding, accepted, acceptEncodingHeader);
}

const noCompression = { request: null, response: null };
