import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { ContextValues } from "@connectrpc/connect";
import type { Procedure } from "./procedures.ts";
import type { Format } from "./protocol.ts";

/** What a call is, before anything is done for it. */
export interface UnaryCall {
  readonly procedure: Procedure;
  readonly format: Format;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly values: ContextValues;
}

/** Whether the caller has left. */
export function isGone({ request, response }: Pick<UnaryCall, "request" | "response">): boolean {
  return isHttp2(request) ? request.stream.destroyed : response.destroyed;
}

/** Empty when the caller named none. */
export function authorityOf(request: IncomingMessage): string {
  return (isHttp2(request) ? request.authority : request.headers.host) ?? "";
}

/** Node makes requests over HTTP/2 look like others, and our front calls them so. */
function isHttp2(request: unknown): request is Http2ServerRequest {
  return (request as IncomingMessage).httpVersionMajor > 1;
}
