import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { type DarkroomClient, type DarkroomOptions, darkroomOver } from "./darkroom.ts";

export * from "./common.ts";

export interface WebOptions extends DarkroomOptions {
  /** `connect` when not given. */
  readonly protocol?: "connect" | "grpc-web" | undefined;
}

/** A client that signs in, for browsers and whatever else has `fetch`: the server at `baseUrl`. */
export function createDarkroom(baseUrl: string, { protocol = "connect", ...options }: WebOptions = {}): DarkroomClient {
  const open = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  return darkroomOver((interceptors) => open({ baseUrl, interceptors, useBinaryFormat: true }), options);
}
