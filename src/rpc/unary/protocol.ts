import type { ConnectError } from "@connectrpc/connect";
import type { compressionNegotiate } from "@connectrpc/connect/protocol";
import type { UnaryCall } from "./call.ts";
import type { UnaryContext } from "./context.ts";

export type Compression = NonNullable<ReturnType<typeof compressionNegotiate>["response"]>;

/** What became of a call: the answer's message in its format, or why there is none. */
export type Outcome = string | Uint8Array | ConnectError;

/** One of the three protocols, as far as unary calls go. */
export interface Protocol {
  readonly name: string;
  /** The version of HTTP that it needs at least. */
  readonly httpMin: 1 | 2;
  /** Of the request's headers, in lower case. */
  readonly timeoutHeader: string;
  readonly encodingHeader: string;
  readonly acceptEncodingHeader: string;
  /** Trailers of an answer that nobody changed. */
  readonly trailer: Readonly<Record<string, string>>;
  parseTimeout(value: string | null, maxMs: number): { timeoutMs?: number; error?: ConnectError | undefined };
  /** Reads the request's message. */
  receive(call: UnaryCall, compression: Compression | null): Promise<Uint8Array>;
  /** Writes the answer. */
  respond(call: UnaryCall, context: UnaryContext, outcome: Outcome, compression: Compression | null): Promise<void>;
}

/** What a content type says. */
export interface Format {
  readonly protocol: Protocol;
  readonly codec: "binary" | "json";
  /** The answer's headers, unless something changes them. */
  readonly header: Readonly<Record<"content-type", string>>;
}
