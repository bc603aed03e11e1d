import { once } from "node:events";
import { connect as connectHttp2, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
  /** Whether nothing came after the headers, and they said so. */
  readonly endsWithHeaders: boolean;
}

/** One request over HTTP/2 on a connection of its own. Rejects when the stream or the connection is cut. */
export async function requestHttp2(url: string, headers: OutgoingHttpHeaders, body?: Uint8Array): Promise<Answer> {
  const session = connectHttp2(url);
  try {
    const broken = new Promise<never>((_resolve, reject) => session.once("error", reject));
    broken.catch(() => {});
    const stream = session.request(headers, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    const [answer, flags] = (await Promise.race([once(stream, "response"), broken])) as [IncomingHttpHeaders, number];
    let trailers: IncomingHttpHeaders = {};
    stream.once("trailers", (received) => {
      trailers = received;
    });
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece);
    const endsWithHeaders = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    return {
      status: Number(answer[":status"]),
      headers: answer,
      body: Buffer.concat(pieces),
      trailers,
      endsWithHeaders,
    };
  } finally {
    session.destroy();
  }
}

/** Sends bytes as they are; what came back by the time the server closed the connection. */
export async function exchange(url: string, bytes: string | Uint8Array): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  // A reset is a way of closing, too.
  socket.on("error", () => {});
  socket.write(bytes);
  if (!socket.destroyed) await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(pieces).toString("latin1");
}
