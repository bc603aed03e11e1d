import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope, envelopeCompress } from "@connectrpc/connect/protocol";
import { endWith, toNode } from "./answer.ts";
import { isGone, type StreamCall } from "./call.ts";
import type { CallContext } from "./context.ts";
import { type Envelope, headOf } from "./envelopes.ts";
import type { Compression, Ending } from "./protocol.ts";

/** Bytes up to which a copy takes less than to write data by itself. */
const smallMax = 4 * 1024;

/** What a stream's messages leave by, one after the other, as its caller takes them. */
export class Outlet {
  private readonly call: StreamCall;
  private readonly context: CallContext;
  private readonly compression: Compression | null;
  private isFull = false;
  private wake = () => {};

  constructor(call: StreamCall, context: CallContext, compression: Compression | null) {
    const { format, response } = call;
    this.call = call;
    this.context = context;
    this.compression = compression;
    if (compression !== null) context.responseHeader.set(format.protocol.encodingHeader, compression.name);
    response.on("drain", () => {
      this.isFull = false;
      this.wake();
    });
    response.on("close", () => this.wake());
    context.signal.addEventListener("abort", () => this.wake());
  }

  /** Resolves when there is room for the next message; rejects when the caller has left or its time is up. */
  async send(message: string | Uint8Array): Promise<void> {
    const data = typeof message === "string" ? Buffer.from(message) : message;
    const envelope = await this.compressed({ flags: 0, data });
    this.assertWanted();
    this.write(envelope);
    while (this.isFull) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.assertWanted();
    }
  }

  async end({ envelope, trailer }: Ending): Promise<void> {
    const last = envelope && (await this.compressed(envelope));
    this.begin();
    if (trailer !== undefined) this.call.response.addTrailers(toNode(trailer));
    if (last === undefined) this.call.response.end();
    else endWith(this.call, encodeEnvelope(last.flags, last.data));
  }

  private compressed(envelope: Envelope): Envelope | Promise<Envelope> {
    if (this.compression === null) return envelope;
    return envelopeCompress(envelope, this.compression, this.call.procedure.options.compressMinBytes);
  }

  private begin(): void {
    const { format, response } = this.call;
    if (!response.headersSent) response.writeHead(200, toNode(this.context.changed.header ?? format.header));
  }

  /** Together with its head, but without a copy when it is large. */
  private write(envelope: Envelope): void {
    const { response } = this.call;
    const { flags, data } = envelope;
    this.begin();
    if (data.length <= smallMax) {
      this.isFull = !response.write(encodeEnvelope(flags, data));
      return;
    }
    response.cork();
    response.write(headOf(envelope));
    // Before anything can leave: then there may be room again at once.
    this.isFull = !response.write(data);
    response.uncork();
  }

  /** A server that stops lets its streams end by themselves. */
  private assertWanted(): void {
    const { signal } = this.context;
    const { shutdownSignal } = this.call.procedure.options;
    if (signal.aborted && signal.reason !== shutdownSignal?.reason) throw signal.reason;
    if (isGone(this.call)) throw new ConnectError("the caller has gone away", Code.Canceled);
  }
}
