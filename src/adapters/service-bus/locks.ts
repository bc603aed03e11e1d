import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import { inTime } from "../../helpers/in-time.ts";
import { type Clock, isRecent } from "../../ports/clock.ts";
import { isLost } from "./errors.ts";

const tickMs = 250;
/** Locks last 5 s to 5 min. However this machine's clock is set, they are renewed neither too late nor all the time. */
const renewMs = { least: 1500, most: 10_000, timeout: 3000 };

interface Span {
  readonly since: number;
  readonly ms: number;
}

interface Alarm {
  readonly span: Span;
  readonly ring: () => void;
}

interface Kept {
  readonly receiver: ServiceBusReceiver;
  /** While this lasts, the lock need not be renewed. */
  span: Span;
  isRenewing: boolean;
}

/** Keeps messages locked for as long as it is told, where the SDK itself would stop, and tells when a time has passed. */
export class Locks {
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #kept = new Map<ServiceBusReceivedMessage, Kept>();
  readonly #alarms = new Set<Alarm>();
  readonly #timer = setInterval(() => this.#tick(), tickMs);

  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#onError = onError;
  }

  keep(message: ServiceBusReceivedMessage, receiver: ServiceBusReceiver): void {
    this.#kept.set(message, { receiver, span: this.#untilRenewal(message), isRenewing: false });
  }

  release(message: ServiceBusReceivedMessage): void {
    this.#kept.delete(message);
  }

  /** Resolves when so much time has passed, at once when `signal` aborts. */
  pass(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const alarm = { span: { since: this.#clock(), ms }, ring: done };
      const alarms = this.#alarms.add(alarm);
      function done(): void {
        alarms.delete(alarm);
        signal.removeEventListener("abort", done);
        resolve();
      }
      signal.addEventListener("abort", done);
      if (signal.aborted) done();
    });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = this.#clock();
    const isOver = ({ since, ms }: Span) => !isRecent(since, ms, now);
    for (const { span, ring } of this.#alarms) if (isOver(span)) ring();
    for (const [message, kept] of this.#kept)
      if (isOver(kept.span) && !kept.isRenewing) void this.#renew(message, kept);
  }

  async #renew(message: ServiceBusReceivedMessage, kept: Kept): Promise<void> {
    kept.isRenewing = true;
    try {
      await inTime(renewMs.timeout, kept.receiver.renewMessageLock(message));
      kept.span = this.#untilRenewal(message);
    } catch (error) {
      // It was settled meanwhile.
      if (!this.#kept.has(message)) return;
      // Another receiver has the message by now: what this handler does with it is fenced off elsewhere.
      if (isLost(error)) this.release(message);
      this.#onError(error);
    } finally {
      kept.isRenewing = false;
    }
  }

  #untilRenewal({ lockedUntilUtc }: ServiceBusReceivedMessage): Span {
    const since = this.#clock();
    const third = ((lockedUntilUtc?.getTime() ?? since) - since) / 3;
    return { since, ms: Math.min(renewMs.most, Math.max(renewMs.least, third)) };
  }
}
