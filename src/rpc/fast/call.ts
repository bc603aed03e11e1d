import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectError, ContextValues } from "@connectrpc/connect";
import type { compressionNegotiate, validateUniversalHandlerOptions } from "@connectrpc/connect/protocol";
import type { CountedBody } from "../../model/call.ts";

export type Options = ReturnType<typeof validateUniversalHandlerOptions>;
export type Compression = NonNullable<ReturnType<typeof compressionNegotiate>["response"]>;

/** The error for the wire, of anything that was thrown. */
export type ToWire = (error: unknown, values: ContextValues) => ConnectError;

/** What a procedure is, however it is served. */
export interface Described {
  readonly method: DescMethod;
  readonly options: Options;
}

/** What a protocol needs, and by which names. */
export interface Terms {
  readonly name: string;
  /** The version of HTTP that it needs at least. */
  readonly httpMin: 1 | 2;
  /** Names of request headers, in lower case. */
  readonly timeoutHeader: string;
  readonly encodingHeader: string;
  readonly acceptEncodingHeader: string;
  /** Trailers of an answer that nobody changed. */
  readonly trailer: Readonly<Record<string, string>>;
}

/** What a content type says. */
export interface Format<P extends Terms = Terms> {
  readonly protocol: P;
  readonly codec: "binary" | "json";
  /** The answer's headers, unless something changes them. */
  readonly header: Readonly<Record<"content-type", string>>;
}

/** What a call is, before anything is done for it. */
export interface FastCall<K extends Described = Described, P extends Terms = Terms> {
  readonly procedure: K;
  readonly format: Format<P>;
  readonly request: IncomingMessage & CountedBody;
  readonly response: ServerResponse;
  readonly values: ContextValues;
  readonly toWire: ToWire;
}

export function isGone({ request, response }: Pick<FastCall, "request" | "response">): boolean {
  return isHttp2(request) ? request.stream.destroyed : response.destroyed;
}

/** The host that the caller named; empty for none. */
export function authorityOf(request: IncomingMessage): string {
  return (isHttp2(request) ? request.authority : request.headers.host) ?? "";
}

/** The header's value; null unless it came exactly once. */
export function headerOf(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === "string" ? value : null;
}

/** Node makes requests over HTTP/2 look like those over HTTP/1.1, and our front gives them that type. */
function isHttp2(request: unknown): request is Http2ServerRequest {
  return (request as IncomingMessage).httpVersionMajor > 1;
}
