import { createFront } from "../../src/http/front.ts";
import { type HttpServer, limits, openHttpServer } from "../../src/http/server/server.ts";
import type { Log } from "../../src/ports/log.ts";
import { errorInterceptor } from "../../src/rpc/gate.ts";
import { createRpcServer, exposedHeaders, type Rpc } from "../../src/rpc/server/server.ts";

export interface RpcPortOptions extends Partial<Rpc> {
  readonly routes: Rpc["routes"];
  readonly log: Log;
  /** Whether unary calls and server streams take the fast path. */
  readonly fast: boolean;
  readonly stopping?: AbortSignal;
  readonly tls?: { cert: string; key: string } | undefined;
}

/** Other services than ours behind our port, front and transport, put together as in app/serving.ts. */
export function openRpcPort({ log, fast, stopping, tls, ...rpc }: RpcPortOptions): Promise<HttpServer> {
  const served: Rpc = {
    gate: async () => {},
    interceptors: [errorInterceptor(log)],
    messageMax: 0xffffffff,
    timeoutMaxMs: Number.MAX_SAFE_INTEGER,
    ...rpc,
  };
  const front = createFront({
    rpc: createRpcServer(served, { stopping: stopping ?? new AbortController().signal, fast, log }),
    routes: (_request, response) => void response.writeHead(404).end(),
    cors: { origins: [], exposedHeaders },
    trusted: undefined,
    shed: () => undefined,
    callsMax: limits.callsMax,
    bodyMs: 120_000,
    log,
  });
  return openHttpServer(front, { host: "127.0.0.1", port: 0, tls });
}
