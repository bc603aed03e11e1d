import type { IncomingHttpHeaders } from "node:http";
import type { Call } from "../../model/call.ts";

/** RFC 9110, section 7.6.1. reply-from removes the other headers that `Connection` names. */
const hopByHop = [
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
const credentials = ["authorization", "cookie", "cookie2", "x-api-key", "x-session-token"];
/**
 * Headers by which a caller may claim another origin, or another target or method of the request, by which it is limited.
 * Upstreams behind CGI or WSGI read `_` as `-`, so a name with `_` could stand for any of these headers, or for one that we
 * send.
 */
const claimed =
  /_|^(forwarded|via|x-forwarded-.*|x-http-method|x-(http-)?method-override|x-original-.*|x-real-ip|x-request-id|x-rewrite-url|.*-(client|connecting)-ip)$/;
/** Headers of an answer that only this origin may set. */
const ours = /^(access-control-.*|alt-svc|clear-site-data|set-cookie2?|strict-transport-security|x-request-id)$/;

/** A request's headers for the upstream: without its credentials, with who calls and from where. */
export function upstreamHeaders<Headers extends IncomingHttpHeaders>(
  headers: Headers,
  { call, identity, hasBody }: { readonly call: Call; readonly identity: string; readonly hasBody: boolean },
): Headers {
  const dropped = [...hopByHop, ...credentials, ...(hasBody ? [] : ["content-length", "content-type"])];
  const own = {
    authorization: `Bearer ${identity}`,
    "x-forwarded-for": call.address,
    "x-forwarded-proto": call.isSecure ? "https" : "http",
    "x-request-id": call.requestId,
  };
  return { ...without(headers, (name) => dropped.includes(name) || claimed.test(name)), ...own } as Headers;
}

/**
 * An answer's headers for the caller, with the upstream's `Location` as a path of this origin. `target` is the URL that was
 * requested from the upstream, `vary` names the headers that our own part of the answer depends on.
 */
export function callerHeaders<Headers extends IncomingHttpHeaders>(
  headers: Headers,
  { target, upstreamUrl, vary }: { readonly target: string; readonly upstreamUrl: string; readonly vary: unknown },
): Headers {
  const named = (headers.connection ?? "").toLowerCase().split(/[\s,]+/);
  const passed = without(headers, (name) => hopByHop.includes(name) || named.includes(name) || ours.test(name));
  const { "content-disposition": disposition } = passed;
  const location = passed.location && locationHere(passed.location, target, new URL(upstreamUrl));
  return {
    // First: behind a `Content-Length` Node takes it for UTF-8, and writes the low byte of each character, maybe a line feed.
    ...(disposition && { "content-disposition": disposition }),
    ...passed,
    ...(location && { location }),
    ...(passed.vary && vary ? { vary: `${vary}, ${passed.vary}` } : {}),
  };
}

/**
 * Compares the host alone: an upstream that believes `X-Forwarded-Proto` names its own address by the caller's scheme. Of
 * what is beyond ASCII, each byte came as a character, which URL would take for two.
 */
function locationHere(location: string, target: string, { host, pathname }: URL): string {
  const url = URL.parse(location.replace(/[\x80-\xff]/g, percentEncoded), target);
  const base = pathname.replace(/\/$/, "");
  if (url?.host !== host || !url.pathname.startsWith(`${base}/v1/`)) return location;
  return url.pathname.slice(base.length) + url.search + url.hash;
}

function percentEncoded(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase()}`;
}

function without<Headers extends object>(headers: Headers, isDropped: (name: string) => boolean): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isDropped(name.toLowerCase()))) as Headers;
}
