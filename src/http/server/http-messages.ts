import { IncomingMessage, type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse } from "node:http";
import { constants, Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { finished } from "node:stream";
import type { CountedBody } from "../../model/call.ts";
import { endTogether } from "./batched-ends.ts";
import { discardRest, isStopping } from "./rests.ts";

/** Characters; a third of the bytes that Node's sockets buffer before they ask to wait, since a character may take three. */
const smallMax = 20 * 1024;

/** The most bytes that wait of an answer that is written piece by piece, as fast as its caller takes it. */
const piecesMax = 128 * 1024;

type Fields = OutgoingHttpHeaders | readonly OutgoingHttpHeader[];
type Common = Record<string, string>;

/** The response that the port's listener is given, over HTTP/2 as well. */
export type HttpResponse = ServerResponse & {
  /**
   * Headers of every answer, their names in lower case; those that `writeHead` is given take precedence. After a call of
   * `setHeader`, Node writes all headers by a detour that takes as long as the rest of a small answer.
   */
  readonly common: Common;
};

export type RequestListener = (request: IncomingMessage, response: HttpResponse) => void;

/** An authority of Node's own client, which takes an IPv6 address out of the brackets that any URL needs. */
const bareIpv6 = /^([0-9a-f]*:[0-9a-f:]*):(\d+)$/i;

/** What Node does by `optimizeEmptyRequests` to a request that announces no body: no event tells of its end then. */
const endAtOnce = (IncomingMessage.prototype as unknown as { _dumpAndCloseReadable(): void })._dumpAndCloseReadable;

const ignore = () => {};

export class Http1Request extends IncomingMessage implements CountedBody {
  declare onPiece?: (piece: Buffer) => void;

  constructor(socket: Socket) {
    super(socket);
    // Node checks for `error` listeners and emits, a tick later, that the caller has left. Meanwhile the last listener, Connect's,
    // may be gone with an answer that waited behind another; an `error` without a listener ends the process.
    this.on("error", ignore);
  }

  /** A method of Node's. For requests other than GET, Node must emit their end, also without a body. */
  _dumpAndCloseReadable(): void {
    if (this.method === "GET") endAtOnce.call(this);
  }

  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<unknown> {
    return surviving(this);
  }
}

export class Http2Request extends Http2ServerRequest implements CountedBody {
  declare onPiece?: (piece: Buffer) => void;

  constructor(...[stream, headers, options, rawHeaders]: ConstructorParameters<typeof Http2ServerRequest>) {
    super(stream, headers, options, rawHeaders);
    const authority = headers[":authority"] ?? "";
    if (bareIpv6.test(authority)) headers[":authority"] = authority.replace(bareIpv6, "[$1]:$2");
  }

  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<unknown> {
    return surviving(this);
  }
}

export class Http1Response extends ServerResponse implements HttpResponse {
  readonly common: Common = {};
  private ending: unknown[] = [];

  override writeHead(status: number, reason?: string | Fields, fields?: Fields): this {
    // The answer says that the connection is about to close, so that the caller sends nothing more on it.
    if (isStopping(this.req)) this.shouldKeepAlive = false;
    const own = typeof reason === "string" ? fields : reason;
    const all = isList(own) ? [...Object.entries(this.common).flat(), ...own] : Object.assign(this.common, own);
    return super.writeHead(status, all);
  }

  override end(...input: unknown[]): this {
    const [body] = input;
    this.ending = input;
    if (typeof body === "string" && body.length <= smallMax) endTogether(this);
    else this.endNow();
    return this;
  }

  /** With each character as the byte that it was read from; Node would send those beyond ASCII as UTF-8, so as two. */
  override flushHeaders(): void {
    if (!this.destroyed && !this.writableEnded) this.write("", "latin1");
  }

  endNow(): void {
    const { req } = this;
    if (!req.complete || req.readableLength > 0) this.once("finish", () => discardRest(req));
    super.end(...(this.ending as []));
  }
}

export class Http2Response extends Http2ServerResponse {
  readonly common: Common = {};
  /** The number of pieces written. While the caller takes none, a writer that waits for room adds none. */
  writes = 0;

  override writeHead(status: number, reason?: string | Fields, fields?: Fields): this {
    const own = typeof reason === "string" ? fields : reason;
    if (isList(own) || !this.isUntouched()) {
      for (const name in this.common) this.setHeader(name, this.common[name] as string);
      return super.writeHead(status, own as OutgoingHttpHeaders);
    }
    this.statusCode = status;
    const all = Object.assign(this.common, own);
    // Node would copy an object. It takes numbers and lists as values here too.
    const list = [":status", String(status)];
    for (const name in all) list.push(name, all[name] as string);
    this.stream.respond(list, { waitForTrailers: true });
    return this;
  }

  private isUntouched(): boolean {
    const { stream } = this;
    return !(this.writableEnded || stream.destroyed || stream.closed) && this.getHeaderNames().length === 0;
  }

  override write(...input: unknown[]): boolean {
    this.writes += 1;
    return super.write(...(input as [string]));
  }

  override end(...input: unknown[]): this {
    const { req, stream } = this;
    super.end(...(input as []));
    // The response itself finishes only when its stream is closed, for which the request must have ended.
    if (isOpenHead(this)) discardRest(req);
    else if (!req.readableEnded) stream.once("finish", () => discardRest(req));
    return this;
  }

  /** An answer that breaks off must not look whole: Node would end the stream as if nothing were missing. */
  override destroy(): this {
    if (!this.writableEnded) this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    return this;
  }
}

/** Calls `then` once the answer is written, or can no longer be. Over HTTP/2 its stream may stay open for the request's body. */
export function onceAnswered(response: ServerResponse | Http2Response, then: () => void): void {
  if (!isHttp2(response)) finished(response, { readable: false }, then);
  else if (isOpenHead(response)) response.stream.once("close", then);
  else finished(response.stream, { readable: false }, then);
}

/** Node ends the writable side of a HEAD request's stream at once, before any headers are sent. */
function isOpenHead({ req, stream }: Http2Response): boolean {
  return req.method === "HEAD" && !stream.destroyed;
}

/** Whether an answer that is not over waits for its caller to take what was written. */
export function isUntaken(response: HttpResponse): boolean {
  // Over HTTP/1.1 the answers before it may have to be taken first.
  if (isHttp2(response) ? !response.stream.headersSent : response.socket === null) return false;
  const { writableEnded, writableNeedDrain } = isHttp2(response) ? response.stream : response;
  return writableEnded || writableNeedDrain;
}

/** A number that changes whenever the caller takes some of the answer. */
export function takenOf(response: HttpResponse): number {
  if (isHttp2(response)) return response.writes;
  const socket = response.socket as (Socket & { _handle?: { writeQueueSize: number } | null }) | null;
  // `writeQueueSize` is what the system has not taken yet of what it was given; Node's own timeouts use it too.
  return (socket?.bytesWritten ?? 0) - (socket?.writableLength ?? 0) - (socket?._handle?.writeQueueSize ?? 0);
}

/** Bytes that the caller has still to take of a whole or a large answer; a stream holds too little to count. */
export function heldOf(response: HttpResponse): number {
  const { writableEnded, writableLength } = isHttp2(response) ? response.stream : response;
  return writableEnded || writableLength > piecesMax ? writableLength : 0;
}

/** Cuts an answer; over HTTP/2 its connection stays for others. */
export function cutAnswer(response: ServerResponse | Http2Response): void {
  if (isHttp2(response)) response.stream.close(constants.NGHTTP2_CANCEL);
  // Over HTTP/1.1 the answer may wait behind another, and has no socket of its own then.
  else response.req.socket.destroy();
}

/** For an answer that is still open after `cutAnswer`: nothing leaves by its connection any more. */
export function cutConnection(response: HttpResponse): void {
  if (isHttp2(response)) response.stream.session?.destroy();
}

function isHttp2(response: unknown): response is Http2Response {
  return response instanceof Http2Response;
}

function isList(fields: Fields | undefined): fields is readonly OutgoingHttpHeader[] {
  return Array.isArray(fields);
}

/**
 * An iterator over a body, to be left early. Node's own would then destroy the request, and nothing would read its
 * connection any more: over HTTP/1.1 the answer with the refusal still goes out, but no later request comes in.
 */
function surviving(request: Http1Request | Http2Request): NodeJS.AsyncIterator<unknown> {
  const pieces = request.iterator({ destroyOnReturn: false });
  const { onPiece } = request;
  return onPiece === undefined ? pieces : counted(pieces, onPiece);
}

async function* counted(pieces: AsyncIterable<Buffer>, onPiece: (piece: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    onPiece(piece);
    yield piece;
  }
}
