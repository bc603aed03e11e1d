import type { CallOptions } from "@connectrpc/connect";

/** Call options that carry a credential. */
export function bearer(token: string, signal?: AbortSignal): CallOptions {
  return { headers: { authorization: `Bearer ${token}` }, ...within(signal) };
}

/** Call options that end the call when `signal` aborts, and after `timeoutMs`. */
export function within(signal: AbortSignal | undefined, timeoutMs?: number): CallOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}
