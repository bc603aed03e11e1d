import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";

/** How long to wait for a server that says nothing. */
export const silenceMaxMs = 30_000;

/** Call options that end a call to a server that says nothing. */
export const unlessSilent: CallOptions = { timeoutMs: silenceMaxMs };

/** Call options that carry a credential. */
export function bearer(token: string, signal?: AbortSignal): CallOptions {
  return { headers: { authorization: `Bearer ${token}` }, ...within(signal) };
}

/** Call options that end the call when `signal` aborts, and after `timeoutMs`. */
export function within(signal: AbortSignal | undefined, timeoutMs?: number): CallOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}

/** For one stream: `signal` aborts when the caller's does, when the time since the last `renew` has passed, and at `end`. */
export interface StreamLimit {
  readonly signal: AbortSignal;
  renew(): void;
  end(): void;
}

export function limited(signal: AbortSignal | undefined, ms: number): StreamLimit {
  const controller = new AbortController();
  const giveUp = () => controller.abort(new ConnectError("the server is silent", Code.DeadlineExceeded));
  let timer = setTimeout(giveUp, ms);
  return {
    signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    renew() {
      clearTimeout(timer);
      timer = setTimeout(giveUp, ms);
    },
    end() {
      clearTimeout(timer);
      controller.abort();
    },
  };
}
