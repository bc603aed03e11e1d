import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Health } from "../../core/health.ts";
import { pathOf } from "../../model/path.ts";
import { limits } from "../server/server.ts";
import { healthPaths } from "./health.ts";

export interface HealthServer {
  readonly address: AddressInfo;
  close(): Promise<void>;
}

const headers = { "cache-control": "no-store", "content-type": "application/json; charset=utf-8" };
/** Health probes need few. */
const connectionsMax = 100;

/** Serves the health paths alone, for a process that has no other server. */
export async function openHealthServer(health: Health, where: { host: string; port: number }): Promise<HealthServer> {
  const timeouts = { headersTimeout: limits.headersMs, requestTimeout: limits.headersMs };
  const server = createServer({ maxHeaderSize: limits.headerMax, ...timeouts }, (request, response) => {
    void answer(health, request, response);
  });
  server.maxConnections = connectionsMax;
  server.listen(where.port, where.host);
  await once(server, "listening");
  return {
    address: server.address() as AddressInfo,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(health: Health, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const isAsked = request.method === "GET" || request.method === "HEAD";
  const found = isAsked ? await healthPaths.get(pathOf(request.url))?.answer(health) : undefined;
  response.writeHead(found?.status ?? 404, headers);
  response.end(JSON.stringify(found?.body ?? { status: "not found" }));
}
