import { type create, type DescMethodUnary, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { echo } from "../support/echo.ts";

/** The least that a gRPC server on @grpc/grpc-js does: answers each call with an echo of its message. */

const unary = AuthService.methods.filter((method): method is DescMethodUnary => method.methodKind === "unary");
const methods = [...unary, echo];
const server = new Server();
server.addService(
  Object.fromEntries(methods.map((method) => [method.localName, definition(method)])) as ServiceDefinition,
  Object.fromEntries(methods.map(({ localName }) => [localName, answer])),
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`listens on http://127.0.0.1:${port}\n`);
});
process.on("disconnect", () => process.exit());

function answer({ request }: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>): void {
  done(null, request);
}

function definition({ name, parent, output }: DescMethodUnary): ServiceDefinition[string] {
  const serialize = (message: unknown) => Buffer.from(toBinary(output, message as ReturnType<typeof create>));
  const deserialize = (bytes: Buffer) => fromBinary(output, bytes);
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  };
}
