import type { ServiceBusReceivedMessage, ServiceBusReceiver, ServiceBusSender } from "@azure/service-bus";
import Long from "long";
import type { NumberedDeadLetter } from "../../ports/queue.ts";
import { again, incoming } from "./message.ts";
import { closed } from "./time.ts";

const batch = 100;
/** How long a dead letter that is there may be in another receiver's hands. */
const patienceMs = 10_000;

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
      const number = message.sequenceNumber ?? Long.ZERO;
      found.push({ ...incoming(message), number: number.toString() });
      from = number.add(1);
    }
  }
  return found;
}

/** Sent before it is completed: a crash between the two leaves it in both places. */
export async function redrive(
  receiver: ServiceBusReceiver,
  sender: ServiceBusSender,
  number: string,
): Promise<boolean> {
  const wanted = numbered(number);
  const isWanted = ({ sequenceNumber }: ServiceBusReceivedMessage) => wanted.equals(sequenceNumber ?? -1);
  const [there] = await receiver.peekMessages(1, { fromSequenceNumber: wanted });
  if (there === undefined || !isWanted(there)) return false;
  const passed: ServiceBusReceivedMessage[] = [];
  try {
    for (const until = performance.now() + patienceMs; performance.now() < until; ) {
      const taken = await receiver.receiveMessages(batch, { maxWaitTimeInMs: 1000 });
      const message = taken.find(isWanted);
      passed.push(...taken.filter((other) => other !== message));
      if (message === undefined) continue;
      await sender.sendMessages(again(message));
      await receiver.completeMessage(message);
      return true;
    }
    throw new Error(`the dead letter ${number} is being read by another; try it again`);
  } finally {
    await Promise.all(passed.map((message) => closed(receiver.abandonMessage(message))));
  }
}

function numbered(number: string): Long {
  if (!/^\d{1,19}$/.test(number)) throw new Error("a dead letter's number is decimal text");
  return Long.fromString(number);
}
