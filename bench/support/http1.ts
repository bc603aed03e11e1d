import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Caller, WrongAnswer } from "./caller.ts";
import type { Call } from "./calls.ts";

/**
 * Callers over HTTP/1.1, each with a connection that stays open. On bare sockets: general clients take as much processor
 * time as the bare server they would measure. Answers must have a content-length or come in chunks.
 */
export function http1Callers(url: string, count: number): Promise<Caller[]> {
  return Promise.all(Array.from({ length: count }, () => http1Caller(url)));
}

interface Waiting {
  readonly call: Call;
  resolve(): void;
  reject(error: Error): void;
}

async function http1Caller(url: string): Promise<Caller> {
  const { hostname, port, host } = new URL(url);
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  const written = new WeakMap<Call, Buffer>();
  let waiting: Waiting | undefined;
  let received: Buffer | undefined;

  function settle(error?: Error): void {
    const { resolve, reject } = waiting ?? {};
    waiting = undefined;
    received = undefined;
    if (error === undefined) resolve?.();
    else reject?.(error);
  }

  socket.on("data", (chunk: Buffer) => {
    if (waiting === undefined) return void socket.destroy(new Error(`an answer that nobody asked for: ${chunk}`));
    received = received === undefined ? chunk : Buffer.concat([received, chunk]);
    const answer = read(received);
    if (answer === undefined) return;
    const { call } = waiting;
    const isRight = answer.status === call.status && call.accepts(answer.body);
    settle(isRight ? undefined : new WrongAnswer(call, answer.status, answer.body));
  });
  socket.on("error", settle);
  socket.on("close", () => settle(new Error(`${url} closed the connection`)));

  return {
    call: (call) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) throw new Error(`${url} had closed the connection`);
        waiting = { call, resolve, reject };
        const bytes = written.get(call) ?? serialised(call, host);
        written.set(call, bytes);
        socket.write(bytes);
      }),
    close: () => void socket.destroy(),
  };
}

function serialised({ method, path, headers, body }: Call, host: string): Buffer {
  const length = method === "GET" ? {} : { "content-length": body.length };
  const fields = Object.entries({ host, ...headers, ...length });
  const head = `${method} ${path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** Undefined until all of the answer is there. */
function read(received: Buffer): { status: number; body: Buffer } | undefined {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const head = received.toString("latin1", 0, headEnd);
  const rest = received.subarray(headEnd + 4);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const body = length === undefined ? joined(rest) : rest.length < Number(length) ? undefined : rest;
  return body && { status: Number(head.slice(9, 12)), body };
}

/** A body in chunks, once its last one is there. */
function joined(chunks: Buffer): Buffer | undefined {
  if (!chunks.subarray(-5).equals(lastChunk)) return undefined;
  const pieces: Buffer[] = [];
  for (let at = 0; at < chunks.length; ) {
    const start = chunks.indexOf("\r\n", at) + 2;
    const end = start + Number.parseInt(chunks.toString("latin1", at, start), 16);
    pieces.push(chunks.subarray(start, end));
    at = end + 2;
  }
  return Buffer.concat(pieces);
}

const lastChunk = Buffer.from("0\r\n\r\n");
