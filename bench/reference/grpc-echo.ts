import { randomUUID } from "node:crypto";
import { type create, type DescMethodUnary, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { createAccessLog } from "../support/access-log.ts";
import { echo } from "../support/echo.ts";

/**
 * The least that a gRPC server on @grpc/grpc-js does: answers each call with an echo of its message. Argument: `log` for
 * an access log.
 */

const answer = process.argv[2] === "log" ? loggedEcho() : answerEcho;
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

function answerEcho({ request }: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>): void {
  done(null, request);
}

function loggedEcho(): typeof answerEcho {
  const log = createAccessLog();
  return (call, done) => {
    const started = performance.now();
    const request_id = randomUUID();
    const metadata = new Metadata();
    metadata.set("x-request-id", request_id);
    call.sendMetadata(metadata);
    answerEcho(call, done);
    log({ request_id, method: "POST", path: call.getPath(), http: "2.0", address: call.getPeer() }, started);
  };
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
