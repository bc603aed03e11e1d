import { ConnectError } from "@connectrpc/connect";
import { mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, errorToJsonBytes, parseTimeout, trailerMux } from "@connectrpc/connect/protocol-connect";
import { chain } from "../../helpers/maybe-promise.ts";
import { write } from "./answer.ts";
import { assertSize, readBody } from "./body.ts";
import type { Compression, FastCall } from "./call.ts";
import type { CallContext } from "./context.ts";
import type { UnaryOutcome, UnaryProtocol } from "./protocol.ts";

/** The body is the message, the status tells how it went, and trailers are headers with a prefix. */
export const connect: UnaryProtocol = {
  name: "connect",
  httpMin: 1,
  timeoutHeader: "connect-timeout-ms",
  encodingHeader: "content-encoding",
  acceptEncodingHeader: "accept-encoding",
  trailer: {},
  parseTimeout,
  receive,
  respond,
};

function receive(call: FastCall, compression: Compression | null): Uint8Array | Promise<Uint8Array> {
  const { readMaxBytes } = call.procedure.options;
  const promised = Number(call.request.headers["content-length"] ?? 0);
  assertSize(promised, readMaxBytes);
  const body = readBody(call, ({ length }) => {
    assertSize(length, readMaxBytes);
    return promised;
  });
  return compression === null ? body : chain(body, (bytes) => compression.decompress(bytes, readMaxBytes));
}

function respond(
  call: FastCall,
  context: CallContext,
  outcome: UnaryOutcome,
  compression: Compression | null,
): void | Promise<void> {
  const { jsonOptions, compressMinBytes } = call.procedure.options;
  const isError = outcome instanceof ConnectError;
  const plain = isError ? errorToJsonBytes(outcome, jsonOptions) : outcome;
  if (isError) {
    context.responseHeader.set("content-type", "application/json");
    if (!outcome.isWireError) mergeNonProtocolHeaders(context.responseHeader, outcome.metadata);
  }
  const isSmall = compression === null || Buffer.byteLength(plain) < compressMinBytes;
  return chain(isSmall ? plain : compressed(plain, context, compression), (body) => {
    const { header, trailer } = context.changed;
    const headers = trailer === undefined ? header : trailerMux(context.responseHeader, trailer);
    write(call, isError ? codeToHttpStatus(outcome.code) : 200, headers ?? call.format.header, body);
  });
}

function compressed(body: string | Uint8Array, context: CallContext, { name, compress }: Compression) {
  context.responseHeader.set("content-encoding", name);
  return compress(Buffer.from(body as string));
}
