import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { ConnectError, ContextValues } from "@connectrpc/connect";
import type { CountedBody } from "../../model/call.ts";
import type { Procedure, StreamProcedure, UnaryProcedure } from "./procedures.ts";
import type { Format, Protocol, StreamProtocol, UnaryProtocol } from "./protocol.ts";

/** What goes on the wire for whatever was thrown. */
export type ToWire = (error: unknown, values: ContextValues) => ConnectError;

/** What a call is, before anything is done for it. */
export interface FastCall<K extends Procedure = Procedure, P extends Protocol = Protocol> {
  readonly procedure: K;
  readonly format: Format<P>;
  readonly request: IncomingMessage & CountedBody;
  readonly response: ServerResponse;
  readonly values: ContextValues;
  readonly toWire: ToWire;
}

export type UnaryCall = FastCall<UnaryProcedure, UnaryProtocol>;
export type StreamCall = FastCall<StreamProcedure, StreamProtocol>;

/** Whether the caller has left. */
export function isGone({ request, response }: Pick<FastCall, "request" | "response">): boolean {
  return isHttp2(request) ? request.stream.destroyed : response.destroyed;
}

/** Empty when the caller named none. */
export function authorityOf(request: IncomingMessage): string {
  return (isHttp2(request) ? request.authority : request.headers.host) ?? "";
}

/** Null unless it came once. */
export function headerOf(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === "string" ? value : null;
}

/** Node makes requests over HTTP/2 look like others, and our front calls them so. */
function isHttp2(request: unknown): request is Http2ServerRequest {
  return (request as IncomingMessage).httpVersionMajor > 1;
}
