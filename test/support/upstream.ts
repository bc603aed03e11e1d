import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface Upstream {
  readonly url: string;
  /** Answers the next requests of `METHOD /path`, until it is replaced. */
  on(route: string, handler: Handler): void;
  /** What came in, in order. */
  readonly received: IncomingMessage[];
  close(): void;
}

/** A service behind the relay: anything unknown is a 404 of its own. */
export async function openUpstream(): Promise<Upstream> {
  const handlers = new Map<string, Handler>();
  const received: IncomingMessage[] = [];
  const server = createServer(async (request, response) => {
    received.push(request);
    const handler = handlers.get(`${request.method} ${request.url?.split("?", 1)[0]}`);
    if (handler === undefined) response.writeHead(404).end("nothing here");
    // A request that breaks off is what some tests are about.
    else await Promise.resolve(handler(request, response)).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    on: (route, handler) => void handlers.set(route, handler),
    received,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
