import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { compressionNegotiate } from "@connectrpc/connect/protocol";
import { chain, type MaybePromise } from "../../helpers/maybe-promise.ts";
import { type FastCall, headerOf } from "./call.ts";
import { CallContext } from "./context.ts";
import type { Procedure } from "./procedures.ts";
import type { Protocol } from "./protocol.ts";

type Call = FastCall<Procedure, Protocol>;

/** What a call's headers say. */
export interface Opened {
  readonly context: CallContext;
  readonly compression: Negotiated;
  /** Why the call's message is not read. */
  readonly error: ConnectError | undefined;
}

type Negotiated = ReturnType<typeof compressionNegotiate>;

export function open(call: Call): Opened {
  const { procedure, format, request } = call;
  const { protocol } = format;
  const timeout = protocol.parseTimeout(headerOf(request, protocol.timeoutHeader), procedure.options.maxTimeoutMs);
  const compression = negotiate(call);
  return { context: new CallContext(call, timeout.timeoutMs), compression, error: compression.error ?? timeout.error };
}

export function receive(call: Call, { compression, error }: Opened): MaybePromise<Message> {
  if (error !== undefined) throw error;
  const { procedure, format } = call;
  return chain(format.protocol.receive(call, compression.request), procedure[format.codec].parse);
}

/** Which encodings the message came in and may be answered in; most callers name none. */
function negotiate({ procedure, format, request }: FastCall): Negotiated {
  const { encodingHeader, acceptEncodingHeader } = format.protocol;
  const encoding = headerOf(request, encodingHeader);
  const accepted = headerOf(request, acceptEncodingHeader);
  if (encoding === null && accepted === null) return noCompression;
  return compressionNegotiate(procedure.options.acceptCompression, encoding, accepted, acceptEncodingHeader);
}

const noCompression = { request: null, response: null };
