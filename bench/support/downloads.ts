import { once } from "node:events";
import { Agent, request as requestHttp1 } from "node:http";
import { type ClientHttp2Session, connect } from "node:http2";
import type { Readable } from "node:stream";

export interface Download {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Asks for one and lets its bytes go by; resolves to how many they were. */
export type Downloader = (download: Download) => Promise<number>;

export function http1Downloader(url: string): Downloader {
  const agent = new Agent({ keepAlive: true });
  return async ({ method, path, headers, body }) => {
    const request = requestHttp1(new URL(path, url), { method, headers, agent });
    request.end(body);
    const [response] = await once(request, "response");
    if (response.statusCode !== 200) throw new Error(`${path} was answered by ${response.statusCode}`);
    return sizeOf(response);
  };
}

/** Each on a connection of its own, as with HTTP/1.1. */
export function http2Downloader(url: string): Downloader {
  const free: ClientHttp2Session[] = [];
  return async ({ method, path, headers, body }) => {
    const session = free.pop() ?? connect(url);
    const stream = session.request({ ...headers, ":method": method, ":path": path });
    stream.end(body);
    const size = await sizeOf(stream);
    free.push(session);
    return size;
  };
}

async function sizeOf(stream: Readable): Promise<number> {
  let size = 0;
  stream.on("data", (piece: Buffer) => {
    size += piece.length;
  });
  await once(stream, "end");
  return size;
}
