import { Code, ConnectError } from "@connectrpc/connect";
import { isTransient, retryDelayOf } from "./errors.ts";

const firstDelayMs = 250;
const longestDelayMs = 5000;
/** How many failures in a row are borne: about half a minute without the server. */
const failuresMax = 10;

/** Makes the call again while it fails for reasons that pass. It must be one that may be repeated. */
export async function retry<T>(call: () => Promise<T>, signal?: AbortSignal, failures = failuresMax): Promise<T> {
  for (let failed = 1; ; failed++) {
    signal?.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      await waitOrThrow(error, failed, signal, failures);
    }
  }
}

/** Waits before the next try after `failed` failures in a row, or throws: `error`, or why `signal` aborted. */
export async function waitOrThrow(
  error: unknown,
  failed: number,
  signal?: AbortSignal,
  failures = failuresMax,
): Promise<void> {
  signal?.throwIfAborted();
  if (failed >= failures || !isWorthRepeating(error)) throw error;
  const delay = Math.min(firstDelayMs * 2 ** (failed - 1), longestDelayMs);
  // Spread out, so that clients that lost a server together do not come back together.
  await sleep(retryDelayOf(error) ?? delay * (0.5 + Math.random() / 2), signal);
}

/** What is too much once is too much again, unless the server says when to come back. */
function isWorthRepeating(error: unknown): boolean {
  const isExhausted = ConnectError.from(error).code === Code.ResourceExhausted;
  return isTransient(error) && (!isExhausted || retryDelayOf(error) !== undefined);
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
