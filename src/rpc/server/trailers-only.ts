import type { ServerResponse } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";

export type TrailersOnly = Readonly<Record<string, string>>;

const grpcType = /^application\/grpc/i;

/** True for gRPC-Web, too. */
export function isGrpc(contentType: string): boolean {
  return grpcType.test(contentType);
}

/** An error as gRPC tells it when no message comes: its status stands among the headers. */
export function trailersOnly(error: ConnectError): TrailersOnly {
  return Object.fromEntries(setTrailerStatus(new Headers(), error));
}

/** Over HTTP/2 the headers must end the stream themselves: Node sends them so only if they are written by the end. */
export function sendTrailersOnly(response: ServerResponse, contentType: string, headers: TrailersOnly): void {
  response.setHeader("content-type", contentType);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end();
}
