import type { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { HttpResponse, RequestListener } from "./http-messages.ts";

/**
 * Takes what callers expect by `Expect` away from Node, which would end the process where the stream of one who expects to be
 * told to continue is gone already, and would answer any other expectation itself: under no id, with no line in the log.
 */
export function takeExpectations(server: EventEmitter, listener: RequestListener): void {
  server.on("checkExpectation", listener);
  server.on("checkContinue", (request: IncomingMessage, response: HttpResponse) => {
    if (!isGone(request)) response.writeContinue();
    listener(request, response);
  });
}

function isGone(request: IncomingMessage | Http2ServerRequest): boolean {
  return "stream" in request && (request.stream.destroyed || request.stream.closed);
}
