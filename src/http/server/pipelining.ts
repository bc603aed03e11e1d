import type { Socket } from "node:net";
import type { RequestListener } from "./http-messages.ts";

/**
 * Cuts an HTTP/1.1 connection whose caller sends too many requests without waiting for answers: Node reads every request
 * at once, and keeps each until those before it are answered, which may never be behind an open stream. Nor is anything
 * done for what follows an answer that ends the connection: RFC 9112, section 9.6.
 */
export function boundPipelines(listener: RequestListener, waitingMax: number): RequestListener {
  const waiting = new WeakMap<Socket, number>();
  const ending = new WeakSet<Socket>();
  return (request, response) => {
    if ("stream" in request) return listener(request, response);
    const { socket } = request;
    // Node gives a response its socket only when its turn has come.
    if (response.socket === null) {
      const count = (waiting.get(socket) ?? 0) + 1;
      if (count > waitingMax) return void socket.destroy();
      waiting.set(socket, count);
      response.once("close", () => waiting.set(socket, (waiting.get(socket) ?? 0) - 1));
    }
    if (ending.has(socket)) return;
    listener(request, response);
    if (!response.shouldKeepAlive) ending.add(socket);
  };
}
