import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createHttp2Server, createSecureServer, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Limits of a connection, whichever protocol it speaks. */
export const limits = {
  /** Bytes of all request headers together. */
  headerMax: 16 * 1024,
  /** How long a client may take to say its protocol, and then to send a request's headers. */
  headersMs: 10_000,
  /** How long an idle HTTP/1.1 connection is kept; longer than usual load balancers keep theirs. */
  keepAliveMs: 75_000,
  /** Streams of one HTTP/2 connection at a time. */
  streamsMax: 256,
  connectionsMax: 20_000,
  /** How long an HTTP/2 connection without streams is kept. */
  idleMs: 5 * 60_000,
} as const;

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const drainLookMs = 50;

export interface Port {
  readonly address: AddressInfo;
  /** Takes no new connections; those that are open live on. */
  stopAccepting(): void;
  /** Takes no new requests, lets the running ones end for at most `graceMs`, then cuts what is left. */
  drain(graceMs: number): Promise<void>;
}

/**
 * One port for HTTP/1.1 and HTTP/2, in the clear or, given a certificate, by TLS. By hand, since the packages for it hide
 * the servers behind the port, and with them the header timeouts and the draining of connections.
 */
export async function openPort(
  listener: RequestListener,
  where: { host: string; port: number; tls: { cert: string; key: string } | undefined },
): Promise<Port> {
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const server = where.tls === undefined ? clearServer(listener, sessions) : tlsServer(listener, sessions, where.tls);
  server.maxConnections = limits.connectionsMax;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(where.port, where.host);
  await once(server, "listening");
  const closed = once(server, "close");
  const stopAccepting = () => {
    if (server.listening) NetServer.prototype.close.call(server);
  };

  return {
    address: server.address() as AddressInfo,
    stopAccepting,
    async drain(graceMs) {
      stopAccepting();
      for (const session of sessions) session.close();
      const drain = setInterval(() => (server as Partial<Server>).closeIdleConnections?.(), drainLookMs);
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearInterval(drain);
      clearTimeout(cut);
    },
  };
}

const http1Options: ServerOptions = {
  maxHeaderSize: limits.headerMax,
  headersTimeout: limits.headersMs,
  // Bodies have a limit of their own, the same for both protocols: see front.ts.
  requestTimeout: 0,
  keepAliveTimeout: limits.keepAliveMs,
  connectionsCheckingInterval: 1000,
};

const http2Options = {
  settings: { maxConcurrentStreams: limits.streamsMax, maxHeaderListSize: limits.headerMax },
  maxHeaderListPairs: 128,
} as const;

function tlsServer(listener: RequestListener, sessions: Set<ServerHttp2Session>, tls: { cert: string; key: string }) {
  const server = createSecureServer({ ...http1Options, ...http2Options, ...tls, allowHTTP1: true }, listener as never);
  server.on("clientError", refuse);
  return server.on("session", (session) => track(session, sessions)) as unknown as NetServer;
}

function clearServer(listener: RequestListener, sessions: Set<ServerHttp2Session>): NetServer {
  const http1 = createServer(http1Options, listener);
  const http2 = createHttp2Server(http2Options, listener as never);
  http2.on("session", (session) => track(session, sessions));
  // A client's socket that breaks is its own matter.
  http2.on("sessionError", () => {});
  http1.on("clientError", refuse);
  const asHttp1 = http1.listeners("connection") as ((socket: Socket) => void)[];
  http1.removeAllListeners("connection");
  http1.on("connection", (socket: Socket) => {
    sniff(socket, (isHttp2) => {
      if (isHttp2) http2.emit("connection", socket);
      else for (const accept of asHttp1) accept.call(http1, socket);
    });
  });
  return http1;
}

const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/** What is no request is answered too, by hand, since there is nothing to answer it with; under an id like any other. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const status = refusals[error.code ?? ""] ?? "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\nx-request-id: ${randomUUID()}\r\ncontent-length: 0\r\n\r\n`);
}

function track(session: ServerHttp2Session, sessions: Set<ServerHttp2Session>): void {
  let streams = 0;
  sessions.add(session);
  session.once("close", () => sessions.delete(session));
  session.on("stream", (stream) => {
    streams += 1;
    stream.once("close", () => {
      streams -= 1;
    });
  });
  // A watch may be silent for long; a connection without one is of no use.
  session.setTimeout(limits.idleMs);
  session.on("timeout", () => {
    if (streams === 0) session.close();
  });
}

/** Reads the first bytes, puts them back, and tells whether they are HTTP/2's. */
function sniff(socket: Socket, decide: (isHttp2: boolean) => void): void {
  const giveUp = () => socket.destroy();
  const timer = setTimeout(giveUp, limits.headersMs);
  let seen = Buffer.alloc(0);
  socket.on("error", giveUp);
  socket.on("readable", look);
  socket.once("close", () => clearTimeout(timer));

  function look(): void {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, preface.length);
    const couldBeHttp2 = seen.subarray(0, compared).equals(preface.subarray(0, compared));
    if (couldBeHttp2 && compared < preface.length) return;
    clearTimeout(timer);
    socket.off("readable", look);
    socket.off("error", giveUp);
    socket.unshift(seen);
    decide(couldBeHttp2);
  }
}
