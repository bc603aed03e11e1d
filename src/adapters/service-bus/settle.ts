import { setTimeout as delay } from "node:timers/promises";
import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import { inTime } from "../../helpers/in-time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Settlement } from "../../ports/queue.ts";
import { isLost } from "./errors.ts";
import type { OutageLog } from "./outage-log.ts";

const againMs = 500;
/** Longer than the SDK waits for the answer of a link that was lost. */
const tryMs = 6000;
/** Service Bus's own limit, in characters. */
const reasonMax = 4096;

interface Circumstances {
  readonly clock: Clock;
  /** Aborted when there is no time left to wait for a broker that is away. */
  readonly signal: AbortSignal;
  readonly outageLog: OutageLog;
}

/** Tries until the broker takes the settlement, or the lock has lapsed and the message comes again anyway. */
export async function settle(
  message: ServiceBusReceivedMessage,
  receiver: ServiceBusReceiver,
  settlement: Settlement,
  { clock, signal, outageLog }: Circumstances,
): Promise<void> {
  for (;;) {
    try {
      await inTime(tryMs, settleOnce(message, receiver, settlement));
      return outageLog.answered();
    } catch (error) {
      outageLog.failed(error);
      const lapsesAt = message.lockedUntilUtc?.getTime() ?? 0;
      if (isLost(error) || signal.aborted || clock() >= lapsesAt) return;
    }
    await delay(againMs);
  }
}

function settleOnce(
  message: ServiceBusReceivedMessage,
  receiver: ServiceBusReceiver,
  settlement: Settlement,
): Promise<void> {
  if (settlement.kind === "complete") return receiver.completeMessage(message);
  if (settlement.kind === "abandon") return receiver.abandonMessage(message);
  return receiver.deadLetterMessage(message, {
    deadLetterReason: settlement.reason.slice(0, reasonMax),
    deadLetterErrorDescription: settlement.description.slice(0, reasonMax),
  });
}
