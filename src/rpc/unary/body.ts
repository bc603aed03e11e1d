import { Code, ConnectError } from "@connectrpc/connect";
import { isGone, type UnaryCall } from "./call.ts";

/** As many bytes of a body's beginning as `check` is shown, once they are there. */
const headBytes = 5;

/**
 * All of a body. `check` is told how many bytes have come, and the first of them; it throws when they are, or will be,
 * too many. What comes after that flows away.
 */
export function readBody(call: UnaryCall, check: (size: number, head: Buffer) => void): Promise<Buffer> {
  const { request } = call;
  return new Promise((resolve, reject) => {
    let pieces: Buffer[] | undefined = [];
    let size = 0;
    let head: Buffer = Buffer.alloc(0);
    const joined = () => (pieces?.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces ?? [], size));
    const cutOff = () => reject(new ConnectError("the body ended before it was whole", Code.Canceled));

    if (isGone(call)) return cutOff();
    request.on("data", (piece: Buffer) => {
      if (pieces === undefined) return;
      pieces.push(piece);
      size += piece.length;
      if (head.length < headBytes) head = joined();
      try {
        check(size, head);
      } catch (error) {
        pieces = undefined;
        reject(error);
      }
    });
    request.on("end", () => resolve(joined()));
    request.on("close", () => request.readableEnded || cutOff());
  });
}

export function assertSize(size: number, max: number): void {
  if (size <= max) return;
  const message = `message size ${size} is larger than configured readMaxBytes ${max}`;
  throw new ConnectError(message, Code.ResourceExhausted);
}
