import type { Socket } from "node:net";
import type { RequestListener } from "./http-messages.ts";

/**
 * Cuts a connection whose caller asks on and on by HTTP/1.1 without waiting for answers: Node takes every request in at
 * once, and keeps each until those before it are answered, which an open stream's may never be.
 */
export function boundPipelines(listener: RequestListener, waitingMax: number): RequestListener {
  const waiting = new WeakMap<Socket, number>();
  return (request, response) => {
    // Node gives an answer its connection when it is its turn.
    if (request.httpVersionMajor === 1 && response.socket === null) {
      const { socket } = request;
      const count = (waiting.get(socket) ?? 0) + 1;
      if (count > waitingMax) return void socket.destroy();
      waiting.set(socket, count);
      response.once("close", () => waiting.set(socket, (waiting.get(socket) ?? 0) - 1));
    }
    listener(request, response);
  };
}
