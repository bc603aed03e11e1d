import { Code, ConnectError } from "@connectrpc/connect";

/** Why a stream ends before it is over: its caller left or their time is up, or else the server has had enough of it. */
export function cutShort({ reason }: AbortSignal, message: string): ConnectError {
  return reason instanceof ConnectError ? reason : new ConnectError(message, Code.Unavailable);
}

/**
 * Passes the messages on until the signal aborts, then throws the error of {@link cutShort}. It does not wait for the source,
 * which cannot be told of the abort while its next message is awaited.
 */
export async function* untilAborted<T>(
  messages: AsyncIterable<T>,
  signal: AbortSignal,
  message: string,
): AsyncGenerator<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(cutShort(signal, message));
  aborted.catch(() => {});
  signal.addEventListener("abort", onAbort);
  const source = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([source.next(), aborted]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not awaited: `return` waits for the next message, too.
    void source.return?.();
  }
}
