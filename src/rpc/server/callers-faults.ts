import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";

/*
 * What callers do wrong and Connect answers as a fault of ours. The fast path knows both by itself: see fast/body.ts and
 * fast/codec.ts.
 */

/** The terms on which messages are read, which every server states. */
export type ReadOptions = Required<Pick<ConnectRouterOptions, "acceptCompression" | "readMaxBytes">>;

const undecodable = new ConnectError("message: must be base64url, as base64=1 says of it", Code.InvalidArgument);

/** Refuses a GET whose query has a message that cannot be decoded, or that is no protobuf message. */
export async function assertDecodable(
  { requestMethod, url, method }: HandlerContext,
  { acceptCompression, readMaxBytes }: ReadOptions,
): Promise<void> {
  if (requestMethod !== "GET") return;
  const query = new URL(url).searchParams;
  const bytes = bytesOf(query);
  if (query.get("encoding") !== "proto") return;
  const named = query.get("compression") ?? "identity";
  const compression = acceptCompression.find(({ name }) => name === named);
  // Connect refuses one that nobody knows.
  if (compression === undefined && named !== "identity") return;
  const message = (await compression?.decompress(bytes, readMaxBytes)) ?? bytes;
  try {
    fromBinary(method.input, message);
  } catch (error) {
    throw new ConnectError(`parse binary: ${(error as Error).message}`, Code.InvalidArgument);
  }
}

function bytesOf(query: URLSearchParams): Uint8Array {
  const message = query.get("message") ?? "";
  if (query.get("base64") !== "1") return Buffer.from(message);
  try {
    return base64Decode(message);
  } catch {
    throw undecodable;
  }
}

/** Cancels a stream whose messages break off, and refuses one that sends bytes that are no protobuf message. */
export const streamFaults: Interceptor = (next) => (request) =>
  next(request.stream ? { ...request, message: blamed(request.message) } : request);

async function* blamed<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (cause) {
    const error = ConnectError.from(cause, Code.Canceled);
    // Told by its text: Connect has the same code for compressed messages that nobody announced, as gRPC has it.
    const isUnreadable = error.code === Code.Internal && error.rawMessage.startsWith("parse binary");
    throw isUnreadable ? new ConnectError(error.rawMessage, Code.InvalidArgument) : error;
  }
}
