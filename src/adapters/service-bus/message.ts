import type { ServiceBusMessage, ServiceBusReceivedMessage } from "@azure/service-bus";
import type { DeadLetter, OutgoingMessage } from "../../ports/queue.ts";

/** The property with the own id of a message that was put back: it has another id, or duplicate detection would drop it. */
const ownId = "darkroom-id";

export function outgoing({ id, body }: OutgoingMessage): ServiceBusMessage {
  return { messageId: id, body: bytes(body) };
}

/** A dead letter as a new message. Its id is the same each time: put back twice, it is one message. */
export function again(dead: ServiceBusReceivedMessage): ServiceBusMessage {
  return {
    messageId: `redrive.${dead.sequenceNumber}`,
    body: bytes(dead.body),
    applicationProperties: { [ownId]: idOf(dead) },
  };
}

export function incoming(message: ServiceBusReceivedMessage): DeadLetter {
  return {
    id: idOf(message),
    body: bytes(message.body),
    // The wire tells how often the message was delivered before.
    deliveryCount: (message.deliveryCount ?? 0) + 1,
    reason: message.deadLetterReason ?? "",
    description: message.deadLetterErrorDescription ?? "",
  };
}

function idOf({ applicationProperties, messageId }: ServiceBusReceivedMessage): string {
  return String(applicationProperties?.[ownId] ?? messageId ?? "");
}

/** Other publishers send text or values, in one section or several. */
function bytes(body: unknown): Buffer {
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (Array.isArray(body) && body.every((part) => part instanceof Uint8Array)) return Buffer.concat(body);
  return Buffer.from(typeof body === "string" ? body : (JSON.stringify(body) ?? ""));
}
