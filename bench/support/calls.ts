import type { DescMessage } from "@bufbuild/protobuf";
import {
  create,
  type DescMethodUnary,
  type Message,
  type MessageInitShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";

/** One request as it goes over the wire, and which answer is the right one. */
export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly status: number;
  /** Whether the answer's body is what it must be. */
  accepts(body: Buffer): boolean;
}

export const connectJson = "application/json";
export const connectProto = "application/proto";
export const grpcWeb = "application/grpc-web+proto";
export const grpc = "application/grpc";
export type Format = typeof connectJson | typeof connectProto | typeof grpcWeb | typeof grpc;

/** A unary call in the wire format that the content type names. */
export function unaryCall<I extends DescMessage, O extends DescMessage>(
  format: Format,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  { token, accepts }: { token: string | undefined; accepts(body: Buffer): boolean },
): Call {
  const body = encoded(format, method.input, create(method.input, request));
  const headers: Record<string, string> = { "content-type": format };
  if (format === grpc) headers.te = "trailers";
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  return { method: "POST", path: `/${method.parent.typeName}/${method.name}`, headers, body, status: 200, accepts };
}

/** A message as it stands in a request's body of that format. */
export function encoded(format: Format, schema: DescMessage, message: Message): Buffer {
  if (format === connectJson) return Buffer.from(toJsonString(schema, message));
  const bytes = Buffer.from(toBinary(schema, message));
  return format === connectProto ? bytes : frame(0, bytes);
}

/** And in that of an answer. */
export function answered(format: Format, schema: DescMessage, message: Message): Buffer {
  const body = encoded(format, schema, message);
  return format === grpcWeb ? Buffer.concat([body, frame(0x80, Buffer.from("grpc-status: 0\r\n"))]) : body;
}

/** gRPC's: flags, the length, and so many bytes. */
export function frame(flags: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

export const is = (expected: Buffer) => (body: Buffer) => body.equals(expected);

export const has = (text: string) => (body: Buffer) => body.includes(text);
