import { connect } from "./connect.ts";
import { grpc, grpcWeb } from "./grpc.ts";
import type { Format, Protocol } from "./protocol.ts";

/** By the request's content type. Others, also in other spellings, are left to the adapter. */
export const formats: ReadonlyMap<string | undefined, Format> = new Map([
  format("application/json", connect, "json"),
  format("application/proto", connect, "binary"),
  format("application/grpc", grpc, "binary", "application/grpc+proto"),
  format("application/grpc+proto", grpc, "binary"),
  format("application/grpc+json", grpc, "json"),
  format("application/grpc-web", grpcWeb, "binary", "application/grpc-web+proto"),
  format("application/grpc-web+proto", grpcWeb, "binary"),
  format("application/grpc-web+json", grpcWeb, "json"),
]);

function format(type: string, protocol: Protocol, codec: Format["codec"], answer = type): [string, Format] {
  return [type, { protocol, codec, header: { "content-type": answer } }];
}
