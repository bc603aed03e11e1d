import { Code, ConnectError } from "@connectrpc/connect";
import { isTransient, retryDelayOf } from "./errors.ts";

const firstDelayMs = 250;
const longestDelayMs = 5000;
/** How many failures in a row are borne, and for how long after the first of them. */
const failuresMax = 10;
const budgetMs = 30_000;

/** Makes the call again while it fails for reasons that pass. It must be one that may be repeated. */
export async function retry<T>(call: () => Promise<T>, signal?: AbortSignal, failures = failuresMax): Promise<T> {
  const budget = new RetryBudget(failures);
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      await budget.bear(error, signal);
    }
  }
}

/** The failures in a row that are still borne. */
export class RetryBudget {
  readonly #failuresMax: number;
  #failed = 0;
  #failedFirstAt = 0;

  constructor(failures = failuresMax) {
    this.#failuresMax = failures;
  }

  /** The server has answered. */
  renew(): void {
    this.#failed = 0;
  }

  /** Waits before the next try, or throws: `error`, or why `signal` aborted. */
  async bear(error: unknown, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const now = performance.now();
    if (this.#failed === 0) this.#failedFirstAt = now;
    this.#failed += 1;
    const delay = retryDelayOf(error) ?? delayAfter(this.#failed);
    const isOver = this.#failed >= this.#failuresMax || now + delay > this.#failedFirstAt + budgetMs;
    if (isOver || !isWorthRepeating(error)) throw error;
    await sleep(delay, signal);
  }
}

/** Spread out, so that clients that lost a server together do not come back together. */
function delayAfter(failed: number): number {
  return Math.min(firstDelayMs * 2 ** (failed - 1), longestDelayMs) * (0.5 + Math.random() / 2);
}

/** A call for which a resource is exhausted fails again, unless the server says when to come back. */
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
