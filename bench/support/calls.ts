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
  readonly method: "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly status: number;
  /** Whether the answer's body is what it must be. */
  accepts(body: Buffer): boolean;
}

export const connectJson = "application/json";
export const grpc = "application/grpc";

/** A unary call in the wire format that the content type names. */
export function unaryCall<I extends DescMessage, O extends DescMessage>(
  format: typeof connectJson | typeof grpc,
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

/** A message as it stands in a body of that format. */
export function encoded(format: typeof connectJson | typeof grpc, schema: DescMessage, message: Message): Buffer {
  if (format === connectJson) return Buffer.from(toJsonString(schema, message));
  const bytes = toBinary(schema, message);
  // A gRPC frame: a flag for compression, and the length.
  const frame = Buffer.alloc(5 + bytes.length);
  frame.writeUInt32BE(bytes.length, 1);
  frame.set(bytes, 5);
  return frame;
}

export const is = (expected: Buffer) => (body: Buffer) => body.equals(expected);

export const has = (text: string) => (body: Buffer) => body.includes(text);
