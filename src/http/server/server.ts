import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerOptions } from "node:http";
import {
  constants,
  createServer as createHttp2Server,
  createSecureServer,
  type Http2ServerRequest,
  type ServerHttp2Session,
} from "node:http2";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Server as TlsServer } from "node:tls";
import type { Tls, TrustedProxies } from "../../model/settings.ts";
import { minuteMs } from "../../model/time.ts";
import { type ConnectionsMax, trackConnections } from "./connections.ts";
import { takeExpectations } from "./expectations.ts";
import { Http1Request, Http1Response, Http2Request, Http2Response, type RequestListener } from "./http-messages.ts";
import { type Http2Sessions, trackSessions } from "./http2-sessions.ts";
import { boundPipelines } from "./pipelining.ts";
import { newRequestId } from "./request-id.ts";
import { cutRests } from "./rests.ts";

/** Limits of a connection, whichever protocol it speaks. */
export const limits = {
  /** Bytes of all request headers together; over HTTP/2 each counts 32 more, as RFC 9113 has it. */
  headerMax: 16 * 1024,
  /** How long a client may take for TLS's handshake, then to say its protocol, and then to send a request's headers. */
  headersMs: 10_000,
  /** How long an idle HTTP/1.1 connection is kept; longer than usual load balancers keep theirs. */
  keepAliveMs: 75_000,
  /** Streams at a time of an HTTP/2 connection, and requests of an HTTP/1.1 connection that wait behind another. */
  streamsMax: 256,
  /**
   * Bytes that an HTTP/2 client may send before it must wait for more room, by one stream and by all of a connection. With
   * 64 KiB, HTTP/2's default, a caller who is 50 ms away uploads no more than 1.3 MB a second.
   */
  windowBytes: 1024 * 1024,
  connectionsMax: { each: 5000, all: 20_000 },
  callsMax: { each: 5000, all: 10_000 },
  /** How long an HTTP/2 connection on which nothing moves takes new streams. */
  idleMs: 5 * minuteMs,
} as const;

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const drainLookMs = 50;
/** How long connections stay open once no new ones are accepted: a request, or the rest of one, may still be on its way. */
const idleGraceMs = 500;

export interface Where {
  readonly host: string;
  readonly port: number;
  readonly tls: Tls | undefined;
  /** `limits.connectionsMax` unless given. */
  readonly connectionsMax?: ConnectionsMax;
  readonly trustedProxies?: TrustedProxies;
}

export interface HttpServer {
  readonly address: AddressInfo;
  /** Shows another certificate to connections that begin from here on, where it has one. */
  renewTls(tls: Tls): void;
  /** Takes no new connections; those that are open live on. */
  stopAccepting(): void;
  /** Takes no new requests, lets those that are on their way or running end for at most `graceMs`, then cuts what is left. */
  drain(graceMs: number): Promise<void>;
}

/**
 * One port for HTTP/1.1 and HTTP/2, in the clear or, given a certificate, by TLS. By hand, since the packages for it hide
 * the servers behind the port, and with them the header timeouts and the draining of connections.
 */
export async function openHttpServer(listener: RequestListener, where: Where): Promise<HttpServer> {
  const sessions = trackSessions(limits);
  const bounded = boundPipelines(listener, limits.streamsMax);
  const server = where.tls === undefined ? clearServer(bounded, sessions) : tlsServer(bounded, sessions, where.tls);
  const sockets = trackConnections(server, where.connectionsMax ?? limits.connectionsMax, where.trustedProxies);
  server.listen(where.port, where.host);
  await once(server, "listening");
  const closed = once(server, "close");
  let stoppedAt = Number.POSITIVE_INFINITY;
  const stopAccepting = () => {
    if (!server.listening) return;
    stoppedAt = performance.now();
    NetServer.prototype.close.call(server);
  };

  return {
    address: server.address() as AddressInfo,
    renewTls: ({ cert, key }) => (server as Partial<TlsServer>).setSecureContext?.({ cert, key }),
    stopAccepting,
    async drain(graceMs) {
      stopAccepting();
      sessions.close();
      const drain = setInterval(() => {
        if (performance.now() - stoppedAt <= idleGraceMs) return;
        cutRests();
        closeIdle(server, sockets);
      }, drainLookMs);
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearInterval(drain);
      clearTimeout(cut);
    },
  };
}

/** Closes idle connections, also those that have sent nothing yet, of which Node's servers do not know. */
function closeIdle(server: NetServer, sockets: Iterable<Socket>): void {
  (server as Partial<Server>).closeIdleConnections?.();
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
}

const http1Options: ServerOptions = {
  maxHeaderSize: limits.headerMax,
  headersTimeout: limits.headersMs,
  // Bodies have a limit of their own, the same for both protocols: see body-limit.ts.
  requestTimeout: 0,
  keepAliveTimeout: limits.keepAliveMs,
  connectionsCheckingInterval: 1000,
  // Node itself would refuse a request without a host, with no id and no line in the log: see front.ts.
  requireHostHeader: false,
  optimizeEmptyRequests: true,
};

const http2Options = {
  Http2ServerRequest: Http2Request,
  Http2ServerResponse: Http2Response,
  settings: {
    maxConcurrentStreams: limits.streamsMax,
    maxHeaderListSize: limits.headerMax,
    initialWindowSize: limits.windowBytes,
  },
  maxHeaderListPairs: 128,
} as const;

function tlsServer(listener: RequestListener, sessions: Http2Sessions, tls: Tls) {
  const http1Classes = { Http1IncomingMessage: Http1Request, Http1ServerResponse: Http1Response as never };
  const options = {
    ...http1Options,
    ...http1Classes,
    ...http2Options,
    ...tls,
    allowHTTP1: true,
    handshakeTimeout: limits.headersMs,
  };
  const server = createSecureServer(options, withinHeaderMax(listener) as never);
  takeExpectations(server, withinHeaderMax(listener));
  server.on("clientError", refuse);
  return server.on("session", (session) => begin(session, sessions)) as unknown as NetServer;
}

function clearServer(listener: RequestListener, sessions: Http2Sessions): NetServer {
  const http1Classes = { IncomingMessage: Http1Request, ServerResponse: Http1Response as never };
  const http1 = createServer({ ...http1Options, ...http1Classes }, listener as never);
  const http2 = createHttp2Server(http2Options, withinHeaderMax(listener) as never);
  http2.on("session", (session) => begin(session, sessions));
  for (const server of [http1, http2]) takeExpectations(server, withinHeaderMax(listener));
  http1.on("clientError", refuse);
  const asHttp1 = http1.listeners("connection") as ((socket: Socket) => void)[];
  http1.removeAllListeners("connection");
  http1.on("connection", (socket: Socket) => {
    sniff(socket, (isHttp2) => {
      // As Node's HTTP/2 servers set it. An HTTP/1.1 server sends what was answered, and ends the other requests: a caller who
      // has closed their half cannot be told from one who has left, for whom a poll or a watch would go on waiting.
      socket.allowHalfOpen = !isHttp2;
      if (isHttp2) http2.emit("connection", socket);
      else for (const accept of asHttp1) accept.call(http1, socket);
    });
  });
  return http1;
}

/** Enforces the header limit until an HTTP/2 client has acknowledged it; from then on Node does so, in the same way. */
function withinHeaderMax(listener: RequestListener): RequestListener {
  return (request: IncomingMessage | Http2ServerRequest, response) => {
    if ("stream" in request && request.stream.session?.pendingSettingsAck && headerBytes(request) > limits.headerMax)
      request.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    else listener(request as IncomingMessage, response);
  };
}

/** The size of the headers as HTTP/2 counts it. */
function headerBytes({ rawHeaders }: Http2ServerRequest): number {
  const overhead = 32 * (rawHeaders.length / 2);
  return rawHeaders.reduce((sum, { length }) => sum + length, overhead);
}

function begin(session: ServerHttp2Session, sessions: Http2Sessions): void {
  session.setLocalWindowSize(limits.windowBytes);
  sessions.add(session);
}

const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/** Errors after which nobody is there to read an answer, or none can be written. */
const unheard: readonly string[] = ["ECONNRESET", "ERR_TLS_HANDSHAKE_TIMEOUT"];

/** Answers bytes that are no request, by hand, since there is no response object; under an id like any other answer. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  // What follows a request that ends the connection: its own answer is still to come.
  if (error.code === "HPE_CLOSED_CONNECTION") return;
  if (unheard.includes(error.code ?? "") || !socket.writable) return void socket.destroy();
  const status = refusals[error.code ?? ""] ?? "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\nx-request-id: ${newRequestId()}\r\ncontent-length: 0\r\n\r\n`);
}

/** Reads the first bytes, puts them back, and tells whether they are HTTP/2's. */
function sniff(socket: Socket, decide: (isHttp2: boolean) => void): void {
  const giveUp = () => socket.destroy();
  const timer = setTimeout(giveUp, limits.headersMs);
  let seen = Buffer.alloc(0);
  socket.on("error", giveUp);
  socket.on("end", giveUp);
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
    socket.off("end", giveUp);
    socket.unshift(seen);
    decide(couldBeHttp2);
  }
}
