import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { Readable } from "node:stream";
import { errorCodes } from "fastify";
import { limitedBytes } from "../../helpers/limited-bytes.ts";

/** A request's body as it comes; undefined where it has none. Ends with a 413 once there is more than `max` bytes of it. */
export function limitedBody(request: IncomingMessage | Http2ServerRequest, max: number): Readable | undefined {
  if (request.method === "GET" || request.method === "HEAD" || !hasBody(request)) return undefined;
  if (Number(request.headers["content-length"] ?? 0) > max) throw tooLarge();
  return Readable.from(limitedBytes(request, max, tooLarge), { objectMode: false });
}

function hasBody(request: IncomingMessage | Http2ServerRequest): boolean {
  if ("stream" in request) return !request.stream.endAfterHeaders;
  const { "content-length": length = "0", "transfer-encoding": encoding } = request.headers;
  return encoding !== undefined || length !== "0";
}

function tooLarge(): Error {
  return new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
}
