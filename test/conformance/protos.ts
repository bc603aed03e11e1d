import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary, type Message } from "@bufbuild/protobuf";
import { type Any, anyPack, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const suite = "connectrpc.conformance.v1";

/** The suite's protos, as `buf build` wrote them: read at run time, since only these tests need them. */
export function readProtos(file: string) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(file)));
  const message = (name: string) => found(registry.getMessage(`${suite}.${name}`), name);
  return {
    registry,
    message,
    service: (name: string) => found(registry.getService(`${suite}.${name}`), name),
    pack: (of: Message): Any => anyPack(message(of.$typeName.slice(suite.length + 1)), of),
  };
}

export type Protos = ReturnType<typeof readProtos>;

function found<T>(type: T | undefined, name: string): T {
  if (type === undefined) throw new Error(`the suite's protos have no ${name}`);
  return type;
}
