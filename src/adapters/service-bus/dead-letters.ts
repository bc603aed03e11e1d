import type { ServiceBusReceivedMessage, ServiceBusReceiver, ServiceBusSender } from "@azure/service-bus";
import Long from "long";
import pLimit from "p-limit";
import { closedInTime } from "../../helpers/closed-in-time.ts";
import type { NumberedDeadLetter } from "../../ports/queue.ts";
import { again, incoming } from "./message.ts";

const batch = 100;
/** How many are looked for at a time: one after the other, a thousand would take a minute where the broker is far away. */
const looksMax = 50;
/** How long a dead letter that is there may be in another receiver's hands. */
const takeMaxMs = 10_000;

export async function list(
  receiver: ServiceBusReceiver,
  after: string | undefined,
  limit: number,
): Promise<NumberedDeadLetter[]> {
  const found: NumberedDeadLetter[] = [];
  if (after !== undefined && numbered(after).equals(Long.MAX_VALUE)) return found;
  let from = after === undefined ? Long.ZERO : numbered(after).add(1);
  while (found.length < limit) {
    // One answer may hold fewer than there are.
    const page = await receiver.peekMessages(limit - found.length, { fromSequenceNumber: from });
    if (page.length === 0) break;
    for (const message of page) {
      const number = numberOf(message);
      found.push({ ...incoming(message), number });
      from = numbered(number).add(1);
    }
  }
  return found;
}

/** Puts them back; resolves to how many were there. */
export function redrive(
  receiver: ServiceBusReceiver,
  sender: ServiceBusSender,
  numbers: readonly string[],
): Promise<number> {
  return settleThose(receiver, numbers, async (message) => {
    // Sent before it is completed: a crash between the two leaves it in both places.
    await sender.sendMessages(again(message));
    await receiver.completeMessage(message);
  });
}

/** Deletes them; resolves to how many were there. */
export function discard(receiver: ServiceBusReceiver, numbers: readonly string[]): Promise<number> {
  return settleThose(receiver, numbers, (message) => receiver.completeMessage(message));
}

/** Uses one receiver, since a second would hold messages that the first looks for. */
async function settleThose(
  receiver: ServiceBusReceiver,
  numbers: readonly string[],
  settle: (message: ServiceBusReceivedMessage) => Promise<void>,
): Promise<number> {
  const look = pLimit(looksMax);
  const areThere = await Promise.all(numbers.map((number) => look(() => isThere(receiver, number))));
  const wanted = new Set(numbers.filter((_, index) => areThere[index]));
  const count = wanted.size;
  const passed: ServiceBusReceivedMessage[] = [];
  try {
    for (let until = performance.now() + takeMaxMs; wanted.size > 0; ) {
      const taken = await receiver.receiveMessages(batch, { maxWaitTimeInMs: 1000 });
      const isFound = (message: ServiceBusReceivedMessage) => wanted.delete(numberOf(message));
      const { found = [], others = [] } = Object.groupBy(taken, (message) => (isFound(message) ? "found" : "others"));
      passed.push(...others);
      await Promise.all(found.map(settle));
      if (found.length > 0) until = performance.now() + takeMaxMs;
      else if (performance.now() >= until)
        throw new Error(`dead letters are being read by another, try them again: ${[...wanted].join(", ")}`);
    }
    return count;
  } finally {
    await Promise.all(passed.map((message) => closedInTime(receiver.abandonMessage(message))));
  }
}

async function isThere(receiver: ServiceBusReceiver, number: string): Promise<boolean> {
  const [next] = await receiver.peekMessages(1, { fromSequenceNumber: numbered(number) });
  return next !== undefined && numberOf(next) === number;
}

function numberOf({ sequenceNumber = Long.ZERO }: ServiceBusReceivedMessage): string {
  return sequenceNumber.toString();
}

function numbered(number: string): Long {
  if (!/^\d{1,19}$/.test(number)) throw new Error("a dead letter's number is decimal text");
  return Long.fromString(number);
}
