import { Code, ConnectError } from "@connectrpc/connect";
import { type FastCall, isGone } from "./call.ts";

/**
 * Is shown what has come of a body, again with each piece. Throws when that is, or will be, too much; returns how many bytes
 * there will be, as far as they say, or 0.
 */
type Check = (sofar: Buffer) => number;

/** Room is made at once for so many bytes more that a body promises; it may not keep its promise. */
const aheadMax = 1024 * 1024;

/** All of a body; at once if it came with its headers, as most do. What comes after too much flows away. */
export function readBody(call: FastCall, check: Check): Buffer | Promise<Buffer> {
  const { request } = call;
  // Node's parser is past the last byte then, but may not have said so yet.
  if (request.readableLength !== Number(request.headers["content-length"]) || isGone(call)) return gather(call, check);
  const body: Buffer = request.read() ?? none;
  request.onPiece?.(body);
  check(body);
  return body;
}

function gather(call: FastCall, check: Check): Promise<Buffer> {
  const { request } = call;
  return new Promise((resolve, reject) => {
    let gathered: Gathered | undefined = new Gathered();
    let promised = 0;
    const cutOff = () => reject(new ConnectError("the body ended before it was whole", Code.Canceled));

    if (isGone(call)) return cutOff();
    request.on("data", (piece: Buffer) => {
      if (gathered === undefined) return;
      try {
        request.onPiece?.(piece);
        gathered.add(piece, promised);
        promised = check(gathered.bytes);
      } catch (error) {
        gathered = undefined;
        reject(error);
      }
    });
    request.on("end", () => gathered && resolve(gathered.bytes));
    request.on("close", () => request.readableEnded || cutOff());
  });
}

const none: Buffer = Buffer.alloc(0);

/** Copied together as it comes: pieces may be as many as bytes, and each kept would take a hundred more. */
class Gathered {
  bytes = none;
  private room: Buffer = this.bytes;

  add(piece: Buffer, promised: number): void {
    const { length } = this.bytes;
    const size = length + piece.length;
    if (length === 0) this.room = piece;
    else this.roomFor(size, promised).set(piece, length);
    this.bytes = this.room.subarray(0, size);
  }

  private roomFor(size: number, promised: number): Buffer {
    if (size > this.room.length) {
      const ample = Math.max(2 * size, size + aheadMax);
      this.room = Buffer.allocUnsafeSlow(size > promised ? 2 * size : Math.min(promised, ample));
      this.bytes.copy(this.room);
    }
    return this.room;
  }
}

export function assertSize(size: number, max: number): void {
  if (size <= max) return;
  const message = `message size ${size} is larger than configured readMaxBytes ${max}`;
  throw new ConnectError(message, Code.ResourceExhausted);
}
