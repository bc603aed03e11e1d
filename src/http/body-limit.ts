import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest } from "node:http2";

/** A turn may bring a thousand requests, and what is kept until its end is copied by the collector. */
const freshMax = 64;

export interface BodyLimit {
  /** Begins to wait for the body of the request that this one answers. */
  expect(response: ServerResponse): void;
}

/**
 * Cuts a request whose body does not come within `ms`: half a body holds memory for as long as its sender likes. Most
 * bodies come with their headers, so that only those count that are not there at the end of the event loop's turn; and
 * since all may take equally long, one timer for the oldest is enough. Of more than `lateMax` the oldest is cut at once:
 * who sends half bodies in numbers must not have the places of all others.
 */
export function createBodyLimit(ms: number, lateMax: number): BodyLimit {
  let fresh: ServerResponse[] = [];
  /** With the end of its time, in the order of those. */
  const waiting = new Map<IncomingMessage, number>();
  let timer: NodeJS.Timeout | undefined;

  function dropWhole(): void {
    fresh = fresh.filter(({ req }) => !isWhole(req) && !req.destroyed);
  }

  function sort(): void {
    const end = performance.now() + ms;
    dropWhole();
    for (const response of fresh) {
      waiting.set(response.req, end);
      // A body that was taken by `read()` (rpc/fast/body.ts) may emit no `end`, so the answer's `close` is waited for.
      response.once("close", () => waiting.delete(response.req));
    }
    fresh = [];
    while (waiting.size > lateMax) dropOldest();
    if (timer === undefined && waiting.size > 0) timer = setTimeout(sweep, ms).unref();
  }

  function dropOldest(): void {
    const [request] = waiting.keys();
    if (request === undefined) return;
    waiting.delete(request);
    if (!isWhole(request)) cut(request);
  }

  function sweep(): void {
    const now = performance.now();
    timer = undefined;
    for (const end of waiting.values()) {
      if (end > now) {
        timer = setTimeout(sweep, end - now).unref();
        return;
      }
      dropOldest();
    }
  }

  return {
    expect(response) {
      if (isWhole(response.req)) return;
      if (fresh.length === 0) setImmediate(sort);
      if (fresh.push(response) % freshMax === 0) dropWhole();
    },
  };
}

/** One without a body is complete only when it was read, which it need not be. */
function isWhole(request: IncomingMessage | Http2ServerRequest): boolean {
  if (request.complete) return true;
  if ("stream" in request) return request.stream.endAfterHeaders;
  const { headers } = request;
  return headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
}

function cut(request: IncomingMessage | Http2ServerRequest): void {
  // Over HTTP/2 the request is but a view of its stream, and would leave it open.
  if ("stream" in request) request.stream.close(constants.NGHTTP2_CANCEL);
  else request.destroy();
}
