import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface Proxy {
  readonly url: string;
  /** How many connections it has taken. */
  readonly connections: number;
  /** While true, it closes what comes. */
  away: boolean;
  /** Breaks what is open. */
  cut(): void;
}

/** A TCP relay to a server, for tests of what callers do when the network fails. `hear` is told what they send, before it goes on. */
export async function proxyTo(target: string, hear: (bytes: Buffer) => void = () => {}): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    if (proxy.away) return void socket.destroy();
    const onward = connect(Number(port), hostname);
    socket.on("data", hear);
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      open.add(from);
      from.once("close", () => {
        open.delete(from);
        to.destroy();
      });
      from.on("error", () => {});
      from.pipe(to);
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const proxy: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    away: false,
    cut() {
      for (const socket of open) socket.destroy();
    },
  };
  onTestFinished(() => {
    proxy.cut();
    server.close();
  });
  return proxy;
}
