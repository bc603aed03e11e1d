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
    continueOnceRead(request, response);
    listener(request, response);
  });
}

/** Asks for the body when something begins to read it: who is refused by their headers need not send it. */
function continueOnceRead(request: IncomingMessage, response: HttpResponse): void {
  const read = request._read;
  request._read = (size) => {
    request._read = read;
    if (!response.headersSent && !isGone(request)) response.writeContinue();
    request._read(size);
  };
}

function isGone(request: IncomingMessage | Http2ServerRequest): boolean {
  return "stream" in request && (request.stream.destroyed || request.stream.closed);
}
