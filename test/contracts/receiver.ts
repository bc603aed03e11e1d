import { onTestFinished } from "vitest";
import { type Consumer, complete, type IncomingMessage, type Queue, type Settlement } from "../../src/ports/queue.ts";

export interface Delivery<Message = IncomingMessage> {
  readonly message: Message;
  settle(settlement: Settlement): void;
  fail(error: Error): void;
}

/** A consumer whose handlers run until the test settles what they were given. */
export class Receiver<Message extends IncomingMessage = IncomingMessage> {
  /** Of every delivery so far, in order. */
  readonly ids: string[] = [];
  readonly consumer: Consumer;
  running = 0;
  mostRunning = 0;
  readonly #arrived: Delivery<Message>[] = [];
  readonly #unsettled = new Set<Delivery<Message>>();
  #wake = () => {};

  constructor(consume: (handler: (message: Message) => Promise<Settlement>) => Consumer) {
    this.consumer = consume((message) => this.#receive(message));
    onTestFinished(async () => {
      for (const delivery of this.#unsettled) delivery.settle(complete);
      await this.consumer.stop();
    });
  }

  /** The next delivery that this was not asked for yet. */
  async next(): Promise<Delivery<Message>> {
    for (;;) {
      const delivery = this.#arrived.shift();
      if (delivery !== undefined) return delivery;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #receive(message: Message): Promise<Settlement> {
    const { promise, resolve, reject } = Promise.withResolvers<Settlement>();
    const delivery = { message, settle: resolve, fail: reject };
    this.ids.push(message.id);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    this.#unsettled.add(delivery);
    this.#arrived.push(delivery);
    this.#wake();
    try {
      return await promise;
    } finally {
      this.running -= 1;
      this.#unsettled.delete(delivery);
    }
  }
}

export function receive(queue: Queue, concurrency = 1): Receiver {
  return new Receiver((handler) => queue.consume(handler, { concurrency }));
}

export function receiveDead(queue: Queue) {
  return new Receiver(queue.consumeDeadLetters.bind(queue));
}
