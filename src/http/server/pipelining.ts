import type { Socket } from "node:net";
import type { RequestListener } from "./http-messages.ts";

/**
 * Cuts an HTTP/1.1 connection whose caller sends too many requests without waiting for answers: Node reads every request
 * at once, and keeps each until those before it are answered, which may never be behind an open stream.
 */
export function boundPipelines(listener: RequestListener, waitingMax: number): RequestListener {
  const waiting = new WeakMap<Socket, number>();
  return (request, response) => {
    // Node gives a response its socket only when its turn has come.
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
