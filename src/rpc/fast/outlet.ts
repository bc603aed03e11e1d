import { Code, ConnectError } from "@connectrpc/connect";
import { envelopeCompress } from "@connectrpc/connect/protocol";
import { endWith, toNode } from "./answer.ts";
import { type Compression, type FastCall, isGone } from "./call.ts";
import type { CallContext } from "./context.ts";
import { type Envelope, headOf, joined, sizeOf } from "./envelopes.ts";
import type { Ending } from "./protocol.ts";

/** Writes a stream's messages, one after the other, as its caller takes them. */
export class Outlet {
  private readonly call: FastCall;
  private readonly context: CallContext;
  private readonly compression: Compression | null;
  private isFull = false;
  private wake = () => {};

  constructor(call: FastCall, context: CallContext, compression: Compression | null) {
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
  async send(parts: readonly Uint8Array[]): Promise<void> {
    if (this.isToCompress(parts)) {
      const { flags, data } = await this.compressed({ flags: 0, data: Buffer.concat(parts) });
      this.assertWanted();
      this.write(flags, [data]);
    } else {
      this.assertWanted();
      this.write(0, parts);
    }
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
    else endWith(this.call, joined([last]));
  }

  private isToCompress(parts: readonly Uint8Array[]): boolean {
    return this.compression !== null && sizeOf(parts) >= this.call.procedure.options.compressMinBytes;
  }

  private async compressed(envelope: Envelope): Promise<Envelope> {
    return envelopeCompress(envelope, this.compression, this.call.procedure.options.compressMinBytes);
  }

  private begin(): void {
    const { format, response } = this.call;
    if (!response.headersSent) response.writeHead(200, toNode(this.context.changed.header ?? format.header));
  }

  private write(flags: number, parts: readonly Uint8Array[]): void {
    const { response } = this.call;
    this.begin();
    response.cork();
    response.write(headOf(flags, parts));
    // Set before `uncork` sends anything, after which there may be room again at once.
    for (const part of parts) this.isFull = !response.write(part);
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
