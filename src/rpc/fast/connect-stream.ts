import { createEndStreamSerialization, endStreamFlag, parseTimeout } from "@connectrpc/connect/protocol-connect";
import { receiveEnveloped } from "./envelopes.ts";
import type { StreamProtocol } from "./protocol.ts";

const plainEnd = Buffer.from("{}");

/** Every message has an envelope, and the last one says in JSON how it went. */
export const connectStream: StreamProtocol = {
  name: "connect",
  httpMin: 1,
  timeoutHeader: "connect-timeout-ms",
  encodingHeader: "connect-content-encoding",
  acceptEncodingHeader: "connect-accept-encoding",
  trailer: {},
  parseTimeout,
  receive: (call, compression) => receiveEnveloped(call, compression, endStreamFlag),
  endOf({ procedure }, context, error) {
    const isPlain = error === undefined && context.changed.trailer === undefined;
    const end = { metadata: context.responseTrailer, ...(error === undefined ? {} : { error }) };
    const { serialize } = createEndStreamSerialization(procedure.options.jsonOptions);
    return { envelope: { flags: endStreamFlag, data: isPlain ? plainEnd : serialize(end) } };
  },
};
