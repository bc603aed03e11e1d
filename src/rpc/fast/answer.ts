import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { FastCall } from "./call.ts";

export type Fields = Headers | Readonly<Record<string, string>>;

/** Writes a whole answer at once. Trailers need HTTP/2. */
export function write(
  { request, response }: FastCall,
  status: number,
  header: Fields,
  body: string | Uint8Array,
  trailer?: Fields,
): void {
  if (trailer === undefined)
    response.writeHead(status, { ...toNode(header), "content-length": Buffer.byteLength(body) });
  else response.writeHead(status, toNode(header)).addTrailers(toNode(trailer));
  endWith({ request, response }, body);
}

export function endWith(
  { request, response }: Pick<FastCall, "request" | "response">,
  body: string | Uint8Array,
): void {
  if (request.httpVersionMajor > 1) endHttp2(response, body);
  else if (body.length > smallMax) endLarge(response, body);
  // Node writes text together with the headers, but bytes after them.
  else if (typeof body === "string") response.end(body);
  else response.end(latin1Of(body), "latin1");
}

/** A name that comes more than once gets a list. */
export function toNode(fields: Fields): OutgoingHttpHeaders {
  if (!(fields instanceof Headers)) return fields;
  const out: Record<string, string | string[]> = {};
  fields.forEach((value, name) => {
    const before = out[name];
    out[name] = before === undefined ? value : [before, value].flat();
  });
  return out;
}

/** Writing the body before the end takes less time than an end that has a body. */
function endHttp2(response: ServerResponse, body: string | Uint8Array): void {
  // Of a large text it must be known how many bytes are still to be sent; Node tells its characters.
  const isLargeText = typeof body === "string" && body.length > smallMax;
  response.write(isLargeText ? Buffer.from(body) : body, () => response.end());
}

/** Characters or bytes; a third of what Node's sockets buffer before they ask to wait, since a character may be three bytes. */
const smallMax = 20 * 1024;

/**
 * Keeps the last byte back until all others are on their way. Node stops reading a connection that has much to send; when
 * the caller has received it all nevertheless and sends its next request by TLS, Node takes that for an error.
 */
function endLarge(response: ServerResponse, body: string | Uint8Array): void {
  const bytes = Buffer.from(body as string);
  response.write(bytes.subarray(0, -1), () => response.end(bytes.subarray(-1)));
}

function latin1Of({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}
