import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import { authorityOf, type FastCall } from "./call.ts";
import { type CallSignal, ended, openSignal } from "./call-signal.ts";
import { RequestHeaders } from "./request-headers.ts";

/**
 * A call's context, whose headers, signal and timer are built only when they are read: most calls read none of them, and
 * they cost more than all the rest. By getters of the class, which a spread loses: see intercepted.ts.
 */
export class CallContext implements HandlerContext {
  readonly requestMethod = "POST";
  readonly method: DescMethod;
  readonly service: DescService;
  readonly protocolName: string;
  readonly values: ContextValues;
  private readonly call: FastCall;
  /** Milliseconds since 1970. */
  private readonly deadline: number | undefined;
  private received: Headers | undefined;
  private header: Headers | undefined;
  private trailer: Headers | undefined;
  private life: CallSignal | undefined;
  private endReason: unknown;

  constructor(call: FastCall, timeoutMs: number | undefined) {
    const { method } = call.procedure;
    this.method = method;
    this.service = method.parent;
    this.protocolName = call.format.protocol.name;
    this.values = call.values;
    this.call = call;
    // gRPC's timeouts may have fractions of a millisecond.
    this.deadline = timeoutMs === undefined ? undefined : Math.trunc(Date.now() + timeoutMs);
  }

  get requestHeader(): Headers {
    this.received ??= new RequestHeaders(this.call.request.headers);
    return this.received;
  }

  get responseHeader(): Headers {
    this.header ??= new Headers(this.call.format.header);
    return this.header;
  }

  get responseTrailer(): Headers {
    this.trailer ??= new Headers(this.call.format.protocol.trailer);
    return this.trailer;
  }

  get signal(): AbortSignal {
    if (this.life === undefined) {
      this.life = openSignal(this.call, this.deadline);
      // Code that goes on after the answer may read the signal only then.
      if (this.endReason !== undefined) this.life.end(this.endReason);
    }
    return this.life.signal;
  }

  get timeoutMs(): () => number | undefined {
    const { deadline } = this;
    return () => (deadline === undefined ? undefined : deadline - Date.now());
  }

  get url(): string {
    const { request } = this.call;
    const scheme = "encrypted" in request.socket ? "https" : "http";
    return new URL(request.url ?? "", `${scheme}://${authorityOf(request)}`).toString();
  }

  /** The answer's headers and trailers, where somebody has read and may have changed them. */
  get changed(): { header: Headers | undefined; trailer: Headers | undefined } {
    return { header: this.header, trailer: this.trailer };
  }

  end(reason: unknown = ended): void {
    this.endReason = reason;
    this.life?.end(reason);
  }
}
