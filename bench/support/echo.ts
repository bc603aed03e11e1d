import { create, createFileRegistry, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";

const message = {
  name: "Message",
  field: [
    { name: "text", jsonName: "text", number: 1, type: Type.STRING },
    { name: "number", jsonName: "number", number: 2, type: Type.INT32 },
  ],
};
const type = ".bench.v1.Message";
const method = { name: "Echo", inputType: type, outputType: type };
const file = { name: "echo.proto", package: "bench.v1", syntax: "proto3", messageType: [message] };
const set = create(FileDescriptorSetSchema, {
  file: [{ ...file, service: [{ name: "EchoService", method: [method] }] }],
});

/** A call that costs nothing but its way in and out: what came is answered. */
export const echo = createFileRegistry(set).getService("bench.v1.EchoService")?.methods[0] as DescMethodUnary;

/** Some hundred bytes, as small calls have. */
const values: Record<string, unknown> = {
  text: "an image of a lake at sunset, ".repeat(4),
  number: 17,
};
export const echoed: Message = create(echo.input, values);
