import type { IncomingMessage } from "node:http";
import { constants, type Http2ServerRequest } from "node:http2";
import { networkOf } from "../../model/address.ts";
import { Shares } from "./shares.ts";
import type { UnderWay } from "./under-way.ts";

/** New calls between two clean-ups: a turn may bring a thousand, and the garbage collector copies what is kept until its end. */
const freshMax = 64;

interface LateBody {
  readonly request: IncomingMessage;
  readonly network: string;
  /** When it is cut, by `performance.now`. */
  readonly end: number;
}

/**
 * Cuts a request whose body does not come within `ms` of the call of the returned function: half a body holds memory for
 * as long as its sender likes. Most bodies come with their headers, so only those that are incomplete at the end of the
 * event loop's turn are tracked. All have the same time, so one timer for the oldest is enough. When there are more than
 * `lateMax`, the oldest of the address that has most of them is cut at once: a sender of many half bodies must not take
 * the places of all others.
 */
export function createBodyLimit(ms: number, lateMax: number): (call: UnderWay) => void {
  let fresh: UnderWay[] = [];
  /** In the order of their ends. */
  const waiting = new Set<LateBody>();
  const shares = new Shares<LateBody>();
  let timer: NodeJS.Timeout | undefined;

  function dropWhole(): void {
    fresh = fresh.filter(({ response: { req } }) => !isOver(req));
  }

  function sort(): void {
    const end = performance.now() + ms;
    dropWhole();
    for (const { response, address } of fresh) {
      const body = { request: response.req, network: networkOf(address), end };
      waiting.add(body);
      shares.add(body.network, body);
      // A body that was taken by `read()` (rpc/fast/body.ts) may emit no `end`, so the answer's `close` is waited for. Over
      // HTTP/1.1 the rest of a refused one may come after that.
      response.once("close", () => {
        if (isOver(body.request)) forget(body);
        else body.request.once("end", () => forget(body));
      });
    }
    fresh = [];
    while (waiting.size > lateMax) drop(shares.oldestOfLargest());
    if (timer === undefined && waiting.size > 0) timer = setTimeout(sweep, ms).unref();
  }

  function forget(body: LateBody): void {
    waiting.delete(body);
    shares.delete(body.network, body);
  }

  function drop(body: LateBody | undefined): void {
    if (body === undefined) return;
    forget(body);
    if (!isWhole(body.request)) cut(body.request);
  }

  function sweep(): void {
    const now = performance.now();
    timer = undefined;
    for (const body of waiting) {
      if (body.end > now) {
        timer = setTimeout(sweep, body.end - now).unref();
        return;
      }
      drop(body);
    }
  }

  return (call) => {
    if (isWhole(call.response.req)) return;
    if (fresh.length === 0) setImmediate(sort);
    if (fresh.push(call) % freshMax === 0) dropWhole();
  };
}

function isOver(request: IncomingMessage): boolean {
  return request.destroyed || isWhole(request);
}

/** Node calls a request without a body complete only once it was read, which it need not be. */
function isWhole(request: IncomingMessage | Http2ServerRequest): boolean {
  if (request.complete) return true;
  if ("stream" in request) return request.stream.endAfterHeaders;
  const { headers } = request;
  return headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
}

function cut(request: IncomingMessage | Http2ServerRequest): void {
  // Over HTTP/2 the request is only a view of its stream: to destroy it would leave the stream open.
  if ("stream" in request) request.stream.close(constants.NGHTTP2_CANCEL);
  else request.destroy();
}
