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
   * Calls `handler` for each message until stopped, `concurrency` at once at most. The lock is renewed for as long as the
   * handler runs. What it resolves to settles the message; when it rejects, the message is abandoned. A message that
   * was delivered `maxDeliveries` times and not completed goes to the dead letters with the reason
   * `MaxDeliveryCountExceeded`. A settlement that the broker did not take means that the message comes again.
   */
  consume(handler: Handler, options: { readonly concurrency: number }): Consumer;

  /** The same for the messages that were given up, which settle by being completed or abandoned. */
  consumeDeadLetters(handler: (message: DeadLetter) => Promise<Settlement>): Consumer;

  /**
   * The messages given up, in the order of their numbers, those after `after` (undefined for the first), `limit` at most;
   * it takes none of them.
   */
  listDeadLetters(after: string | undefined, limit: number): Promise<readonly NumberedDeadLetter[]>;

  /**
   * Puts these back among those to be delivered, each with a fresh delivery count. Resolves to how many were there; none
   * is ever lost, and each may, after a crash, come twice.
   */
  redrive(numbers: readonly string[]): Promise<number>;
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

/** What Service Bus takes at once, 256 KB, less what it adds to a hundred messages. */
export const sendMaxBytes = 192 * 1024;

/** Deliveries before a message is given up, as Service Bus has it by default. */
export const maxDeliveries = 10;

export const complete: Settlement = { kind: "complete" };

/** For what cannot be handled yet: abandoned for 1 s, twice as long each time it comes, a minute at most. */
export function backOff({ deliveryCount }: IncomingMessage): Settlement {
  return { kind: "abandon", delayMs: Math.min(1000 * 2 ** (deliveryCount - 1), 60_000) };
}
