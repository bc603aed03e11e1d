/**
 * A durable queue with peek-lock: a message is delivered to one receiver at a time, at least once, in roughly the order
 * of sending, until a receiver settles it. Every method may reject when the broker cannot be reached.
 */
export interface Queue {
  /**
   * Sends all or none; when it resolves they survive a crash. A message whose id is still in the queue is the same
   * message: it is dropped without an error. Bodies of more than {@link sendMaxBytes} together may be refused.
   */
  send(messages: readonly OutgoingMessage[]): Promise<void>;

  /**
   * Calls `handler` for each message until stopped, `concurrency` at once at most. The lock is renewed for as long as
   * the handler runs. The handler's result settles the message; when it rejects, the message is abandoned. A message
   * that was delivered `maxDeliveries` times and not completed goes to the dead letters with the reason
   * `MaxDeliveryCountExceeded`. A message whose settlement the broker did not take is delivered again.
   */
  consume(handler: Handler, options: { readonly concurrency: number }): Consumer;

  /** Calls `handler` for each dead letter in the same way; it can only complete or abandon them. */
  consumeDeadLetters(handler: (message: DeadLetter) => Promise<Settlement>): Consumer;

  /**
   * The dead letters in the order of their numbers, those after `after` (undefined for the first), at most `limit`;
   * they stay in the queue.
   */
  listDeadLetters(after: string | undefined, limit: number): Promise<readonly NumberedDeadLetter[]>;

  /**
   * Puts dead letters back into the queue, each with a fresh delivery count. Resolves to how many were there. None is
   * ever lost, and each may come twice after a crash.
   */
  redrive(numbers: readonly string[]): Promise<number>;

  /** Deletes dead letters for good. Resolves to how many were there. */
  discard(numbers: readonly string[]): Promise<number>;
}

export interface OutgoingMessage {
  /** Unique per deliberate send; at most 128 characters. */
  readonly id: string;
  readonly body: Uint8Array;
}

export interface IncomingMessage extends OutgoingMessage {
  /** From 1. */
  readonly deliveryCount: number;
}

export interface DeadLetter extends IncomingMessage {
  readonly reason: string;
  readonly description: string;
}

export interface NumberedDeadLetter extends DeadLetter {
  /** Decimal; unique in its queue. */
  readonly number: string;
}

export type Handler = (message: IncomingMessage) => Promise<Settlement>;

export type Settlement =
  | { readonly kind: "complete" }
  /** Deliver it again, after `delayMs`. */
  | { readonly kind: "abandon"; readonly delayMs: number }
  | { readonly kind: "deadLetter"; readonly reason: string; readonly description: string };

export interface Consumer {
  /** Takes no more messages; resolves when the running handlers have ended and their messages are settled. */
  stop(): Promise<void>;
}

/** The size limit of one send to Service Bus, 256 KB, less its overhead for a hundred messages. */
export const sendMaxBytes = 192 * 1024;

/** Deliveries before a message is given up, as Service Bus has it by default. */
export const maxDeliveries = 10;

export const complete: Settlement = { kind: "complete" };

/** For a message that cannot be handled yet: abandons it for 1 s, twice as long each time it comes, a minute at most. */
export function backOff({ deliveryCount }: IncomingMessage): Settlement {
  return { kind: "abandon", delayMs: Math.min(1000 * 2 ** (deliveryCount - 1), 60_000) };
}
