import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import pLimit from "p-limit";
import { closedInTime } from "../../helpers/closed-in-time.ts";
import type { Clock } from "../../ports/clock.ts";
import { backOff, type Consumer, type DeadLetter, maxDeliveries, type Settlement } from "../../ports/queue.ts";
import { Locks } from "./locks.ts";
import { incoming } from "./message.ts";
import type { OutageLog } from "./outage-log.ts";
import { receiveOne } from "./receive.ts";
import { settle } from "./settle.ts";

export interface Source {
  readonly concurrency: number;
  /** Messages taken beyond those that are handled. */
  readonly prefetch: number;
  /** Infinity for dead letters. */
  readonly maxDeliveries: number;
  open(): ServiceBusReceiver;
  handle(message: DeadLetter): Promise<Settlement>;
  readonly clock: Clock;
  readonly outageLog: OutageLog;
}

/** How many messages may wait for another try without holding up others; they stay locked meanwhile. */
const heldMax = 100;

/** As many receivers as messages may be taken at once, each with one message at a time. */
export function consume(source: Source): Consumer {
  const { outageLog, clock } = source;
  const stopping = new AbortController();
  const { signal } = stopping;
  const onError = (error: unknown) => outageLog.failed(error);
  const locks = new Locks(clock, onError);
  const limit = pLimit(source.concurrency);
  const held = new Set<Promise<void>>();

  async function take(): Promise<void> {
    let receiver = source.open();
    while (!signal.aborted) {
      const message = await receiveOne(receiver, signal, onError);
      if (message === undefined) break;
      outageLog.answered();
      locks.keep(message, receiver);
      const settlement = await limit(() => judge(incoming(message)));
      const settling = bring(message, receiver, settlement);
      if (isNow(settlement) || held.size >= heldMax) await settling;
      else {
        // A receiver that holds a delayed message takes no other: its link, made anew for that one, could not settle
        // the first. The next message gets a new receiver.
        hold(settling, receiver);
        receiver = source.open();
      }
    }
    await closedInTime(receiver.close());
  }

  function hold(settling: Promise<void>, receiver: ServiceBusReceiver): void {
    const holding = settling.then(() => closedInTime(receiver.close())).finally(() => held.delete(holding));
    held.add(holding);
  }

  async function judge(message: DeadLetter): Promise<Settlement> {
    const { deliveryCount } = message;
    if (deliveryCount > source.maxDeliveries) return exhausted(deliveryCount - 1);
    if (signal.aborted) return { kind: "abandon", delayMs: 0 };
    const settlement = await source.handle(message).catch((error: unknown): Settlement => {
      onError(error);
      return backOff(message);
    });
    const isLast = settlement.kind === "abandon" && deliveryCount >= source.maxDeliveries;
    return isLast ? exhausted(deliveryCount) : settlement;
  }

  async function bring(
    message: ServiceBusReceivedMessage,
    receiver: ServiceBusReceiver,
    settlement: Settlement,
  ): Promise<void> {
    if (settlement.kind === "abandon" && settlement.delayMs > 0) await locks.pass(settlement.delayMs, signal);
    locks.release(message);
    await settle(message, receiver, settlement, { clock, signal, outageLog });
  }

  const taking = Array.from({ length: source.concurrency + source.prefetch }, take);
  return {
    async stop() {
      stopping.abort();
      await Promise.all(taking);
      await Promise.all(held);
      locks.close();
    },
  };
}

function isNow(settlement: Settlement): boolean {
  return settlement.kind !== "abandon" || settlement.delayMs === 0;
}

function exhausted(deliveries: number): Settlement {
  const description = `delivered ${deliveries} times, of at most ${maxDeliveries}`;
  return { kind: "deadLetter", reason: "MaxDeliveryCountExceeded", description };
}
