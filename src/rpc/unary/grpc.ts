import { ConnectError } from "@connectrpc/connect";
import { compressedFlag, encodeEnvelopes, envelopeCompress, envelopeDecompress } from "@connectrpc/connect/protocol";
import { parseTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { write } from "./answer.ts";
import { readBody } from "./body.ts";
import type { UnaryCall } from "./call.ts";
import type { UnaryContext } from "./context.ts";
import { assertBeginning, type Envelope, onlyMessage } from "./envelopes.ts";
import type { Compression, Outcome, Protocol } from "./protocol.ts";

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
export const grpc: Protocol = {
  ...shared,
  name: "grpc",
  httpMin: 2,
  receive: (call, compression) => receive(call, compression, 0),
  async respond(call, context, outcome, compression) {
    const body = await encoded(messageOf(context, outcome), call, context, compression);
    const { header, trailer: changed } = context.changed;
    write(call, 200, header ?? call.format.header, body, changed ?? trailer);
  },
};

/** The trailers are one more envelope of the body. */
export const grpcWeb: Protocol = {
  ...shared,
  name: "grpc-web",
  httpMin: 1,
  receive: (call, compression) => receive(call, compression, trailerFlag),
  async respond(call, context, outcome, compression) {
    const message = messageOf(context, outcome);
    const { trailer: changed } = context.changed;
    const data = changed === undefined ? serializedTrailer : trailerSerialize(changed);
    const body = await encoded([...message, { flags: trailerFlag, data }], call, context, compression);
    write(call, 200, context.changed.header ?? call.format.header, body);
  },
};

async function receive(call: UnaryCall, compression: Compression | null, skippedFlag: number): Promise<Uint8Array> {
  const { readMaxBytes } = call.procedure.options;
  const body = await readBody(call, (sofar) => assertBeginning(sofar, readMaxBytes));
  const message = onlyMessage(body, skippedFlag);
  if ((message.flags & compressedFlag) === 0) return message.data;
  return (await envelopeDecompress(message, compression, readMaxBytes)).data;
}

/** The answer's message, when there is one; otherwise its error goes to the trailers. */
function messageOf(context: UnaryContext, outcome: Outcome): Envelope[] {
  if (outcome instanceof ConnectError) {
    setTrailerStatus(context.responseTrailer, outcome);
    return [];
  }
  return [{ flags: 0, data: typeof outcome === "string" ? Buffer.from(outcome) : outcome }];
}

function encoded(
  envelopes: Envelope[],
  { procedure }: UnaryCall,
  context: UnaryContext,
  compression: Compression | null,
): Uint8Array | Promise<Uint8Array> {
  if (compression === null) return encodeEnvelopes(...envelopes);
  context.responseHeader.set("grpc-encoding", compression.name);
  const { compressMinBytes } = procedure.options;
  const all = envelopes.map((envelope) => envelopeCompress(envelope, compression, compressMinBytes));
  return Promise.all(all).then((compressed) => encodeEnvelopes(...compressed));
}
