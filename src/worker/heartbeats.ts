import { isTransient } from "../client/index.ts";

/** Between two reports of progress, so that a fast engine does not flood the server. */
const reportEveryMs = 100;

/** Makes one heartbeat; gives up when `signal` aborts. */
type Send = (progress: number, signal: AbortSignal) => Promise<void>;

/** Keeps an attempt's lease alive and tells its progress. */
export class Heartbeats {
  readonly #send: Send;
  readonly #onRefused: (refusal: unknown) => void;
  readonly #keepAliveMs: number;
  readonly #timer: NodeJS.Timeout;
  #progress = 0;
  #sent = 0;
  #sentAt = performance.now();
  #isSending = false;

  /** `onRefused` is called when the server says that the job is not this worker's any more. */
  constructor(leaseMs: number, send: Send, onRefused: (refusal: unknown) => void) {
    this.#send = send;
    this.#onRefused = onRefused;
    this.#keepAliveMs = leaseMs / 4;
    this.#timer = setInterval(() => this.#beat(), reportEveryMs);
  }

  report(progress: number): void {
    this.#progress = Math.max(this.#progress, Math.min(progress, 1));
  }

  /** A heartbeat that is under way is not waited for: it may hang, and nobody asks for its answer any more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const isDue = this.#progress > this.#sent || performance.now() - this.#sentAt >= this.#keepAliveMs;
    if (!isDue || this.#isSending) return;
    this.#sent = this.#progress;
    this.#sentAt = performance.now();
    this.#isSending = true;
    // A heartbeat that hangs ends early enough for another within the lease.
    this.#send(this.#sent, AbortSignal.timeout(this.#keepAliveMs * 2))
      .catch((error: unknown) => {
        // A server that does not answer has refused nothing; the lease may live on.
        if (!isTransient(error)) this.#onRefused(error);
      })
      .finally(() => {
        this.#isSending = false;
      });
  }
}
