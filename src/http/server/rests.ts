import type { IncomingMessage } from "node:http";
import { constants, type Http2ServerRequest } from "node:http2";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";

type Request = IncomingMessage | Http2ServerRequest;

/** The last request of each open connection, or stream of HTTP/2, that was answered before all of it had come. */
const answered = new Map<Duplex, Request>();

/**
 * Drops the rest of a body that was refused before it was read: over HTTP/1.1 the connection's next request waits behind
 * it, and over HTTP/2 a caller may wait until it can send the rest. The body's time limit still holds.
 */
export function discardRest(request: Request): void {
  const way = "stream" in request ? request.stream : request.socket;
  if (request.readableEnded || way.destroyed) return;
  request.unpipe();
  request.resume();
  if (!answered.has(way)) way.once("close", () => answered.delete(way));
  answered.set(way, request);
}

/** For servers that stop, which wait for no rest: a stream of requests may never end. */
export function cutRests(): void {
  for (const request of answered.values()) {
    if (!isStopping(request)) continue;
    if ("stream" in request) resetOnceTaken(request);
    else if (!request.complete) request.socket.destroySoon();
  }
}

/** What the caller has still to take of the answer would not go out behind a reset. */
function resetOnceTaken({ stream }: Http2ServerRequest): void {
  if (stream.state.localClose === 1) stream.close(constants.NGHTTP2_NO_ERROR);
}

/** Whether the server of this request takes no more connections. Node keeps the server on the socket. */
export function isStopping(request: Request): boolean {
  const socket = "stream" in request ? request.stream.session?.socket : request.socket;
  return (socket as { server?: Server } | undefined)?.server?.listening === false;
}
