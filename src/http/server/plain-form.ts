import type { IncomingMessage } from "node:http";

/** What Node takes of a request and RFC 9112 does not: others on the way may have seen another host in it, or another end. */
export function formFaultOf(request: IncomingMessage): Error | undefined {
  if (!isVersionKnown(request)) return new Error("the request is of another version of HTTP");
  if (!namesOneHost(request)) return new Error("the request does not name one host");
  if (!isPlainlyFramed(request)) return new Error("the request's transfer-encoding is not chunked in HTTP/1.1");
  return undefined;
}

/** A host, perhaps with its port, as RFC 3986 has it. It may be empty. */
const hostPattern = /^(\[[\da-f.:]+\]|[\w.~%!$&'()*+,;=-]*)(:\d*)?$/i;

/** RFC 9112, section 3.2. HTTP/1.0 needs no host. */
function namesOneHost({ httpVersion, headers, rawHeaders }: IncomingMessage): boolean {
  const host = headers[":authority"] ?? headers.host;
  if (host === undefined) return httpVersion === "1.0";
  return hostPattern.test(host.toString()) && hostsIn(rawHeaders) <= 1;
}

/** Node's `headers` keep the first of several hosts alone. */
function hostsIn(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.length === 4 && rawHeaders[at]?.toLowerCase() === "host") count += 1;
  return count;
}

/** Node's parser of HTTP/1.1 takes other versions for its own. */
function isVersionKnown(request: IncomingMessage): boolean {
  return "stream" in request || /^1\.[01]$/.test(request.httpVersion);
}

/** RFC 9112, section 6.1: Node undoes no coding but this one, and HTTP/1.0 has none, so that others may see another end. */
function isPlainlyFramed({ httpVersion, headers }: IncomingMessage): boolean {
  const coding = headers["transfer-encoding"];
  return coding === undefined || (coding.toLowerCase() === "chunked" && httpVersion === "1.1");
}
