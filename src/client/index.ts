import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { WorkerService } from "../../gen/darkroom/worker/v1/worker_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { type Api, apiOver } from "./api.ts";
import { type DarkroomClient, type DarkroomOptions, darkroomOver } from "./darkroom.ts";
import { Http2Connection } from "./http2-connection.ts";

export * from "./common.ts";

/** The typed clients alone: the caller brings a credential with each call. */
export interface Darkroom extends Api {
  readonly worker: Client<typeof WorkerService>;
  readonly health: Client<typeof Health>;
}

export interface ConnectOptions {
  /** `grpc` (HTTP/2) when not given. `connect` is Connect over HTTP/1.1, for where HTTP/2 does not get through. */
  readonly protocol?: "grpc" | "connect" | undefined;
  /** PEM of the certificate that the server must show, in place of one for its host name. */
  readonly pinnedCert?: string | undefined;
}

/** Typed clients for the server at `baseUrl`, `http://` or `https://`. They share one connection. */
export function connect(baseUrl: string, options: ConnectOptions = {}): Darkroom {
  const transport = transportTo(baseUrl, options, []);
  return {
    ...apiOver(transport),
    worker: createClient(WorkerService, transport),
    health: createClient(Health, transport),
  };
}

/** A client that signs in, for Node: the server at `baseUrl`, `http://` or `https://`. */
export function createDarkroom(baseUrl: string, options: ConnectOptions & DarkroomOptions = {}): DarkroomClient {
  return darkroomOver((interceptors) => transportTo(baseUrl, options, interceptors), options);
}

function transportTo(
  baseUrl: string,
  { protocol = "grpc", pinnedCert }: ConnectOptions,
  interceptors: Interceptor[],
): Transport {
  const pinned =
    pinnedCert === undefined
      ? {}
      : { ca: pinnedCert, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
  return protocol === "grpc"
    ? createGrpcTransport({ baseUrl, interceptors, sessionManager: new Http2Connection(baseUrl, pinned) })
    : createConnectTransport({ baseUrl, interceptors, httpVersion: "1.1", useBinaryFormat: true, nodeOptions: pinned });
}
