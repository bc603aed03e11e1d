import { backOff, type Consumer, type IncomingMessage, type Settlement } from "../../ports/queue.ts";

/** In case a ring was missed, and for locks that lapse, which nobody rings for. */
const pollEveryMs = 250;

interface Source<Message extends IncomingMessage> {
  readonly concurrency: number;
  readonly renewEveryMs: number;
  /** Cheap: asked at every ring and poll. */
  isWaiting(): boolean;
  take(limit: number): Promise<Message[]>;
  handle(message: Message): Promise<Settlement>;
  renew(message: Message): Promise<void>;
  settle(message: Message, settlement: Settlement): Promise<void>;
  /** Calls `listener` when there may be something to take. */
  onRing(listener: () => void): void;
  onError(error: unknown): void;
}

export function consumeByPolling<Message extends IncomingMessage>(source: Source<Message>): Consumer {
  let stopped = false;
  // A ring may come while messages are being taken, when nobody waits for it.
  let rung = false;
  let wake = () => {};
  const running = new Set<Promise<void>>();
  source.onRing(ring);

  function ring(): void {
    rung = true;
    wake();
  }

  async function loop(): Promise<void> {
    while (!stopped) {
      rung = false;
      const free = source.concurrency - running.size;
      const taken = free > 0 ? await take(free) : [];
      for (const message of taken) start(message);
      if (taken.length === 0 && !rung && !stopped) await nextSign();
    }
  }

  async function take(limit: number): Promise<Message[]> {
    try {
      return source.isWaiting() ? await source.take(limit) : [];
    } catch (error) {
      source.onError(error);
      return [];
    }
  }

  function start(message: Message): void {
    const run = work(message).finally(() => {
      running.delete(run);
      ring();
    });
    running.add(run);
  }

  async function work(message: Message): Promise<void> {
    const renewal = setInterval(() => void source.renew(message).catch(source.onError), source.renewEveryMs);
    try {
      await source.settle(message, await judged(message));
    } catch (error) {
      source.onError(error);
    } finally {
      clearInterval(renewal);
    }
  }

  async function judged(message: Message): Promise<Settlement> {
    try {
      return await source.handle(message);
    } catch (error) {
      source.onError(error);
      return backOff(message);
    }
  }

  function nextSign(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pollEveryMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  const looping = loop();
  return {
    async stop() {
      stopped = true;
      ring();
      await looping;
      await Promise.all(running);
    },
  };
}
