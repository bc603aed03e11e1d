import { Code, ConnectError } from "@connectrpc/connect";
import { type FastCall, isGone } from "./call.ts";

/**
 * Called with what has come of a body, again after each piece. Throws when the body is, or will be, too large. Returns the
 * length that the body announces, or 0 while it announces none.
 */
type Check = (sofar: Buffer) => number;

/** Room is allocated ahead for so many bytes that a body announces: they may never come. */
const aheadMax = 1024 * 1024;

/** Reads a whole body; at once if it came with its headers, as most do. The rest of a body that is too large is dropped. */
export function readBody(call: FastCall, check: Check): Buffer | Promise<Buffer> {
  const { request } = call;
  // When all bytes are there, Node's parser is past the last one, but may not have said so yet.
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

/** A body, copied together as it comes: there may be as many pieces as bytes, and to keep one takes a hundred bytes more. */
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
