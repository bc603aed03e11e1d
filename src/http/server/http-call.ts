import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { isIP } from "node:net";
import proxyAddress from "proxy-addr";
import type { Call } from "../../model/call.ts";
import type { TrustedProxies } from "../../model/settings.ts";
import type { HttpResponse } from "./http-messages.ts";
import { newRequestId } from "./request-id.ts";

/** The same check, also for an address with a port, as some proxies write it. */
export function trustedByAddress(trusted: TrustedProxies): TrustedProxies {
  return trusted && ((address, hops) => trusted(withoutPort(address), hops));
}

const requestIdPattern = /^[\w.-]{1,64}$/;

/** A request on the port, as the code that answers it knows it. */
export class HttpCall implements Call {
  readonly requestId: string;
  readonly startedAt = performance.now();
  readonly address: string;
  readonly userAgent: string;
  readonly authorization: string | undefined;
  readonly apiKey: string | undefined;
  readonly isSecure: boolean;
  private readonly common: HttpResponse["common"];

  constructor(request: IncomingMessage, response: HttpResponse, trusted: TrustedProxies) {
    const { headers } = request;
    const wanted = headers["x-request-id"];
    this.requestId = typeof wanted === "string" && requestIdPattern.test(wanted) ? wanted : newRequestId();
    this.address = trusted === undefined ? addressOf(request) : forwardedAddress(request, trusted);
    this.userAgent = headers["user-agent"] ?? "";
    this.authorization = headers.authorization;
    this.apiKey = headers["x-api-key"]?.toString();
    this.isSecure = isEncrypted(request) || isForwardedSecure(request, trusted);
    this.common = response.common;
  }

  setHeader(name: string, value: string): void {
    this.common[name] = value;
  }
}

function addressOf(request: IncomingMessage | Http2ServerRequest): string {
  // Over HTTP/2 `request.socket` would make a view of the socket for each request.
  const socket = "stream" in request ? request.stream.session?.socket : request.socket;
  return socket?.remoteAddress ?? "";
}

function isEncrypted(request: IncomingMessage | Http2ServerRequest): boolean {
  return "stream" in request ? request.stream.session?.encrypted === true : "encrypted" in request.socket;
}

/** Whether a trusted proxy says that it was called by TLS. */
function isForwardedSecure(request: IncomingMessage, trusted: TrustedProxies): boolean {
  const protocols = request.headers["x-forwarded-proto"]?.toString();
  // With several proxies, the first value tells how the caller called.
  return protocols !== undefined && /^\s*https\s*(,|$)/i.test(protocols) && trusted?.(addressOf(request), 0) === true;
}

/** The last address that no trusted proxy vouches for. */
function forwardedAddress(request: IncomingMessage, trusted: NonNullable<TrustedProxies>): string {
  const address = withoutPort(proxyAddress(request, trusted));
  return isIP(address) === 0 ? addressOf(request) : address;
}

function withoutPort(address: string): string {
  return /^\[(.+)\](:\d+)?$/.exec(address)?.[1] ?? /^([\d.]+):\d+$/.exec(address)?.[1] ?? address;
}
