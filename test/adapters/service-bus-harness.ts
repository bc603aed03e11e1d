import { onTestFinished, vi } from "vitest";
import { createClient } from "../../src/adapters/service-bus/client.ts";
import { serviceBusQueue } from "../../src/adapters/service-bus/queue.ts";
import type { Queue } from "../../src/ports/queue.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import type { QueueHarness } from "../contracts/queue.ts";
import { recordingLog } from "../support/log.ts";
import { Broker, type BrokerOptions } from "../support/service-bus-broker/broker.ts";

const lockMs = 30_000;
const name = "queue";

/** A broker of its own for the test that asks for it. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const broker = new Broker({ queues: [name], ...options });
  await broker.start();
  onTestFinished(() => broker.stop());
  return broker;
}

/** The queue as one more process sees it. */
export function openQueue(broker: Broker, { clock = Date.now, prefetch = 0, log = recordingLog() } = {}) {
  const client = createClient({ connectionString: broker.connectionString });
  const queue: Queue = serviceBusQueue(client, name, { clock, log, prefetch });
  const close = () => client.close();
  onTestFinished(close);
  return { queue, log, close };
}

/** The broker's clock and the queue's are moved by hand, as are the intervals by which it renews its locks; the rest is real. */
export async function serviceBusQueueHarness(): Promise<QueueHarness> {
  const clock = movableClock();
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const broker = await startBroker({ clock, lockMs });
  const closings: (() => Promise<void>)[] = [];

  async function open(): Promise<Queue> {
    const { queue, close } = openQueue(broker, { clock });
    closings.push(close);
    return queue;
  }

  /** A renewal is due after a third of the lock's time. */
  function isRenewed(): boolean {
    const stores = [broker.queue(name), broker.queue(`${name}/$deadletterqueue`)];
    return stores.every(({ firstLapse }) => firstLapse === undefined || firstLapse - clock() > lockMs / 2);
  }

  return {
    open,
    unsendable: { id: "unsendable", body: new Uint8Array(300_000) },
    async restart() {
      await Promise.all(closings.splice(0).map((close) => close()));
      return open();
    },
    async passTime(ms) {
      const step = lockMs / 6;
      for (let left = ms; left > 0; left -= step) {
        clock.advance(Math.min(step, left));
        await vi.advanceTimersByTimeAsync(Math.min(step, left));
        await vi.waitUntil(isRenewed, { timeout: 10_000, interval: 5 });
        broker.pump();
      }
    },
    async lapseLocks() {
      clock.advance(lockMs);
      broker.pump();
    },
  };
}
