import { ConnectError } from "@connectrpc/connect";
import { envelopeCompress } from "@connectrpc/connect/protocol";
import { parseTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { chain } from "../../helpers/maybe-promise.ts";
import { write } from "./answer.ts";
import type { Compression, FastCall } from "./call.ts";
import type { CallContext } from "./context.ts";
import { type Envelope, joined, receiveEnveloped } from "./envelopes.ts";
import type { StreamProtocol, UnaryOutcome, UnaryProtocol } from "./protocol.ts";

const trailer = { "grpc-status": "0" };
const serializedTrailer = trailerSerialize(new Headers(trailer));

const shared = {
  timeoutHeader: "grpc-timeout",
  encodingHeader: "grpc-encoding",
  acceptEncodingHeader: "grpc-accept-encoding",
  trailer,
  parseTimeout,
};

/** The status stands in HTTP's trailers. */
export const grpc: UnaryProtocol & StreamProtocol = {
  ...shared,
  name: "grpc",
  httpMin: 2,
  receive: (call, compression) => receiveEnveloped(call, compression, 0),
  respond: (call, context, outcome, compression) => respond(call, context, outcome, compression, grpc),
  endOf: (_call, context, error) => ({ trailer: changedBy(context, error) ?? trailer }),
};

/** The trailers are one more envelope of the body. */
export const grpcWeb: UnaryProtocol & StreamProtocol = {
  ...shared,
  name: "grpc-web",
  httpMin: 1,
  receive: (call, compression) => receiveEnveloped(call, compression, trailerFlag),
  respond: (call, context, outcome, compression) => respond(call, context, outcome, compression, grpcWeb),
  endOf(_call, context, error) {
    const changed = changedBy(context, error);
    return {
      envelope: { flags: trailerFlag, data: changed === undefined ? serializedTrailer : trailerSerialize(changed) },
    };
  },
};

/** The trailers where somebody may have changed them; undefined otherwise. */
function changedBy(context: CallContext, error: ConnectError | undefined): Headers | undefined {
  if (error !== undefined) setTrailerStatus(context.responseTrailer, error);
  return context.changed.trailer;
}

/** Writes a stream of one message, or none, at once. */
function respond(
  call: FastCall,
  context: CallContext,
  outcome: UnaryOutcome,
  compression: Compression | null,
  { endOf }: StreamProtocol,
): void | Promise<void> {
  const isError = outcome instanceof ConnectError;
  const end = endOf(call, context, isError ? outcome : undefined);
  const envelopes = isError ? [] : [{ flags: 0, data: typeof outcome === "string" ? Buffer.from(outcome) : outcome }];
  if (end.envelope !== undefined) envelopes.push(end.envelope as (typeof envelopes)[number]);
  return chain(encoded(envelopes, call, context, compression), (body) =>
    write(call, 200, context.changed.header ?? call.format.header, body, end.trailer),
  );
}

function encoded(
  envelopes: Envelope[],
  { procedure }: FastCall,
  context: CallContext,
  compression: Compression | null,
): Uint8Array | Promise<Uint8Array> {
  if (compression === null) return joined(envelopes);
  context.responseHeader.set("grpc-encoding", compression.name);
  const { compressMinBytes } = procedure.options;
  const all = envelopes.map((envelope) => envelopeCompress(envelope, compression, compressMinBytes));
  return Promise.all(all).then(joined);
}
