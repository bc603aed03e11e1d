import type { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { HttpResponse, RequestListener } from "./http-messages.ts";

/**
 * Handles `Expect` headers in place of Node. Where the stream of a request with `100-continue` is gone already, Node would end
 * the process. Any other expectation it would answer itself, without a request id and without a line in the log.
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
