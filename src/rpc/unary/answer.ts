import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { UnaryCall } from "./call.ts";

type Fields = Headers | Readonly<Record<string, string>>;

/** Writes a whole answer at once. Trailers need HTTP/2. */
export function write(
  { request, response }: UnaryCall,
  status: number,
  header: Fields,
  body: string | Uint8Array,
  trailer?: Fields,
): void {
  if (trailer === undefined)
    response.writeHead(status, { ...toNode(header), "content-length": Buffer.byteLength(body) });
  else response.writeHead(status, toNode(header)).addTrailers(toNode(trailer));
  if (request.httpVersionMajor > 1) endHttp2(response, body);
  else if (body.length > smallMax) endLarge(response, body);
  else endSoon(response, body);
}

/** A name that comes more than once gets a list. */
function toNode(fields: Fields): OutgoingHttpHeaders {
  if (!(fields instanceof Headers)) return fields;
  const out: Record<string, string | string[]> = {};
  fields.forEach((value, name) => {
    const before = out[name];
    out[name] = before === undefined ? value : [before, value].flat();
  });
  return out;
}

/** Takes less than an end that has a body. */
function endHttp2(response: ServerResponse, body: string | Uint8Array): void {
  response.write(body, () => response.end());
}

/** Characters or bytes; a third of what Node's sockets hold before they want no more, since a character may be three. */
const smallMax = 20 * 1024;

/**
 * Keeps the last byte back until all others are on their way. Node stops to read a connection that has much to send; when
 * the caller has got it all nevertheless and makes its next request, Node takes what comes by TLS for an error.
 */
function endLarge(response: ServerResponse, body: string | Uint8Array): void {
  const bytes = Buffer.from(body as string);
  response.write(bytes.subarray(0, -1), () => response.end(bytes.subarray(-1)));
}

/** With more, the first would wait too long for the last. */
const togetherMax = 64;
let ready: [ServerResponse, string, BufferEncoding][] = [];
let isScheduled = false;

/**
 * Ends with others that are ready in the same turn of the event loop, as HTTP/2 does by itself: a reader on this machine,
 * such as a proxy, is woken once for all of them. Each time costs as much as a whole small call.
 */
function endSoon(response: ServerResponse, body: string | Uint8Array): void {
  // Node writes text together with the headers, but bytes after them.
  const [text, encoding] = typeof body === "string" ? ([body, "utf8"] as const) : ([latin1Of(body), "latin1"] as const);
  if (ready.push([response, text, encoding]) >= togetherMax) endReady();
  else if (!isScheduled) {
    isScheduled = true;
    setImmediate(endReady);
  }
}

function endReady(): void {
  const ending = ready;
  ready = [];
  isScheduled = false;
  for (const [response, text, encoding] of ending) response.end(text, encoding);
}

function latin1Of({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}
