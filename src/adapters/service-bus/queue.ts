import type { ServiceBusClient } from "@azure/service-bus";
import { closedInTime } from "../../helpers/closed-in-time.ts";
import { inTime } from "../../helpers/in-time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { maxDeliveries, type OutgoingMessage, type Queue } from "../../ports/queue.ts";
import { consume } from "./consumer.ts";
import { discard, list, redrive } from "./dead-letters.ts";
import { reasonOf } from "./errors.ts";
import { outgoing } from "./message.ts";
import { OutageLog } from "./outage-log.ts";

/** How long a send may take, with all its tries. */
const sendMs = 10_000;

/** One queue of the namespace; `prefetch` messages are taken beyond those that are handled. */
export function serviceBusQueue(
  client: ServiceBusClient,
  name: string,
  { clock, log, prefetch }: { readonly clock: Clock; readonly log: Log; readonly prefetch: number },
): Queue {
  let sender = client.createSender(name);
  const outageLog = new OutageLog({ queue: name, lookout: client.createReceiver(name), log });
  // Bodies stay bytes; locks are ours to renew, since the SDK stops after some minutes.
  const raw = { skipParsingBodyAsJson: true, maxAutoLockRenewalDurationInMs: 0 };
  const openAlive = () => client.createReceiver(name, raw);
  const openDead = () => client.createReceiver(name, { ...raw, subQueueType: "deadLetter" });

  async function send(messages: readonly OutgoingMessage[]): Promise<void> {
    const abortSignal = AbortSignal.timeout(sendMs);
    const batch = await sender.createMessageBatch({ abortSignal });
    for (const message of messages) {
      if (batch.tryAddMessage(outgoing(message))) continue;
      throw new Error(`more than ${batch.maxSizeInBytes} bytes cannot be sent at once`);
    }
    await sender.sendMessages(batch, { abortSignal });
    outageLog.answered();
  }

  /** After a send without an answer the next send gets a new link. */
  async function sendInTime(messages: readonly OutgoingMessage[]): Promise<void> {
    const used = sender;
    const tooLate = performance.now() + sendMs;
    try {
      await inTime(sendMs, send(messages));
    } catch (error) {
      if (sender === used && performance.now() >= tooLate) {
        sender = client.createSender(name);
        void closedInTime(used.close());
      }
      throw error;
    }
  }

  async function withDead<T>(work: (receiver: ReturnType<typeof openDead>) => Promise<T>): Promise<T> {
    const receiver = openDead();
    try {
      return await work(receiver);
    } finally {
      await closedInTime(receiver.close());
    }
  }

  const source = { clock, outageLog };
  return {
    async send(messages) {
      if (messages.length === 0) return;
      await sendInTime(messages).catch((error: unknown) => {
        throw new Error(`the queue ${name} did not take what was sent: ${reasonOf(error)}`);
      });
    },
    consume: (handle, { concurrency }) =>
      consume({ ...source, handle, concurrency, prefetch, maxDeliveries, open: openAlive }),
    consumeDeadLetters: (handle) =>
      consume({ ...source, handle, concurrency: 1, prefetch: 0, maxDeliveries: Infinity, open: openDead }),
    listDeadLetters: (after, limit) => withDead((receiver) => list(receiver, after, limit)),
    redrive: (numbers) => withDead((receiver) => redrive(receiver, sender, numbers)),
    discard: (numbers) => withDead((receiver) => discard(receiver, numbers)),
  };
}
