import type { IncomingHttpHeaders } from "node:http";
import { isLoopback } from "../model/address.ts";
import { DomainError } from "../model/errors.ts";

/** Names that nobody can have in the public DNS: one without a dot, or below a domain that RFC 6761 or ICANN keeps free. */
const privateName = /^[^.]+$|\.(localhost|internal|test)$/;

/**
 * Why a request is refused that a browser on this machine may make for a page from elsewhere, where calls need no
 * credential; undefined when it is not. `origins` are those of pages that may call.
 */
export function refusePagesElsewhere(origins: readonly string[]) {
  return (headers: IncomingHttpHeaders): DomainError | undefined => {
    const page = pageOf(headers);
    const isFine = isOfThisMachine(headers) && (page === undefined || mayCall(page, origins));
    return isFine ? undefined : refusal();
  };
}

/** Whether the host's name is this machine's for sure: a page's own name may be made to lead here once it is loaded. */
function isOfThisMachine({ host, ":authority": authority = host }: IncomingHttpHeaders): boolean {
  const name = URL.parse(`http://${authority ?? "localhost"}`)?.hostname ?? "";
  return isThisMachine(name) || privateName.test(name);
}

/** The page that calls, as far as the browser tells; undefined for none. With a picture's or a link's address it tells no origin. */
function pageOf(headers: IncomingHttpHeaders): string | undefined {
  if (headers.origin !== undefined) return headers.origin;
  return headers["sec-fetch-site"] === "cross-site" ? (headers.referer ?? "") : undefined;
}

function mayCall(page: string, origins: readonly string[]): boolean {
  const url = URL.parse(page);
  return url !== null && (isThisMachine(url.hostname) || origins.includes(`${url.protocol}//${url.host}`));
}

/** Of a URL's host, which has an IPv6 address in brackets. */
function isThisMachine(name: string): boolean {
  return isLoopback(name.replace(/^\[(.+)\]$/, "$1")) || /.\.localhost$/.test(name);
}

function refusal(): DomainError {
  const message =
    "authentication is off for this machine alone, and this call may be a page's from elsewhere: call by localhost, name " +
    "the page in CORS_ORIGINS, or set DARKROOM_ALLOW_OPEN_ACCESS=true";
  return new DomainError("permission_denied", "PAGE_ELSEWHERE", message);
}
