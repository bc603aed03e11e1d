import type { Format, Terms } from "./call.ts";
import { connect } from "./connect.ts";
import { connectStream } from "./connect-stream.ts";
import { grpc, grpcWeb } from "./grpc.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";

/** By the request's content type. Others, also in other spellings, are left to the adapter. */
export type Formats<P extends Terms> = ReadonlyMap<string | undefined, Format<P>>;

const enveloped = [
  format("application/grpc", grpc, "binary", "application/grpc+proto"),
  format("application/grpc+proto", grpc, "binary"),
  format("application/grpc+json", grpc, "json"),
  format("application/grpc-web", grpcWeb, "binary", "application/grpc-web+proto"),
  format("application/grpc-web+proto", grpcWeb, "binary"),
  format("application/grpc-web+json", grpcWeb, "json"),
];

export const unaryFormats: Formats<UnaryProtocol> = new Map<string, Format<UnaryProtocol>>([
  format("application/json", connect, "json"),
  format("application/proto", connect, "binary"),
  ...enveloped,
]);

export const streamFormats: Formats<StreamProtocol> = new Map<string, Format<StreamProtocol>>([
  format("application/connect+json", connectStream, "json"),
  format("application/connect+proto", connectStream, "binary"),
  ...enveloped,
]);

function format<P extends Terms>(
  type: string,
  protocol: P,
  codec: Format["codec"],
  answer = type,
): [string, Format<P>] {
  return [type, { protocol, codec, header: { "content-type": answer } }];
}
