import type { ConnectError } from "@connectrpc/connect";
import type { Fields } from "./answer.ts";
import type { Compression, FastCall, Terms } from "./call.ts";
import type { CallContext } from "./context.ts";
import type { Envelope } from "./envelopes.ts";

/** What became of a unary call: the answer's message in its format, or why there is none. */
export type UnaryOutcome = string | Uint8Array | ConnectError;

/** One of the three protocols, as far as unary calls and streams share it. */
export interface Protocol extends Terms {
  parseTimeout(value: string | null, maxMs: number): { timeoutMs?: number; error?: ConnectError | undefined };
  receive(call: FastCall, compression: Compression | null): Uint8Array | Promise<Uint8Array>;
}

export interface UnaryProtocol extends Protocol {
  respond(
    call: FastCall,
    context: CallContext,
    outcome: UnaryOutcome,
    compression: Compression | null,
  ): void | Promise<void>;
}

export interface StreamProtocol extends Protocol {
  /** What tells the caller, after a stream's messages, how the stream ended. */
  endOf(call: FastCall, context: CallContext, error: ConnectError | undefined): Ending;
}

export interface Ending {
  readonly envelope?: Envelope;
  readonly trailer?: Fields;
}
