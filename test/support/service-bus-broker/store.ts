import type { Message } from "rhea";
import { lockLost } from "./refusal.ts";
import { newLockToken } from "./tokens.ts";

export interface Stored {
  readonly sequence: number;
  readonly message: Message;
  readonly enqueuedAt: number;
  /** Later than now for what is scheduled. */
  readonly availableAt: number;
  deliveries: number;
  lock: { readonly token: string; until: number } | undefined;
}

export type Outcome =
  | { readonly kind: "complete" | "abandon" }
  | { readonly kind: "deadLetter"; readonly reason: unknown; readonly description: unknown };

/** What may be asked of a broker to go wrong. */
export interface Faults {
  /** Refuses this many sends more. */
  refuseSends: number;
  /** Delivers the newest first. */
  reorder: boolean;
  /** Keeps each message twice, as after a publisher's retry that no duplicate detection caught. */
  twice: boolean;
}

export interface Settings {
  readonly clock: () => number;
  readonly lockMs: number;
  readonly maxDeliveries: number;
  readonly faults: Faults;
}

/** For how long an id is remembered. */
const duplicateMs = 600_000;

/** A queue's messages in memory, or those of its dead-letter queue. */
export class Store {
  readonly dead: Store | undefined;
  readonly #settings: Settings;
  readonly #messages = new Map<number, Stored>();
  readonly #locked = new Map<string, Stored>();
  readonly #ids = new Map<unknown, number>();
  #sequence = 0;
  /** How often a message that was delivered became free again. */
  redeliveries = 0;

  constructor(settings: Settings, dead?: Store) {
    this.#settings = settings;
    this.dead = dead;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** When the first lock lapses that is not renewed; undefined without any. */
  get firstLapse(): number | undefined {
    this.lapse();
    const lapses = [...this.#locked.values()].flatMap(({ lock }) => lock?.until ?? []);
    return lapses.length === 0 ? undefined : Math.min(...lapses);
  }

  put(messages: readonly Message[], availableAt = 0): number[] {
    const now = this.#settings.clock();
    return messages.flatMap((message) => {
      const seen = this.#ids.get(message.message_id);
      if (message.message_id !== undefined && seen !== undefined && now - seen < duplicateMs) return [];
      this.#ids.set(message.message_id, now);
      const copies = this.#settings.faults.twice ? 2 : 1;
      return Array.from({ length: copies }, () => this.#add(message, availableAt));
    });
  }

  cancel(sequence: number): void {
    this.#messages.delete(sequence);
  }

  take(): Stored | undefined {
    this.lapse();
    const { clock, lockMs, faults } = this.#settings;
    const now = clock();
    const isWaiting = ({ lock, availableAt }: Stored) => lock === undefined && availableAt <= now;
    const all = [...this.#messages.values()];
    const next = faults.reorder ? all.findLast(isWaiting) : all.find(isWaiting);
    if (next === undefined) return undefined;
    next.lock = { token: newLockToken(), until: now + lockMs };
    this.#locked.set(next.lock.token, next);
    return next;
  }

  renew(token: string): number {
    const { lock } = this.#holder(token);
    if (lock === undefined) throw lockLost();
    lock.until = this.#settings.clock() + this.#settings.lockMs;
    return lock.until;
  }

  settle(token: string, outcome: Outcome): void {
    const stored = this.#holder(token);
    if (outcome.kind === "abandon") return void this.#giveBack(stored, "It was abandoned too often.");
    this.#unlock(stored);
    this.#messages.delete(stored.sequence);
    if (outcome.kind === "deadLetter") this.#bury(stored, outcome.reason, outcome.description);
  }

  peek(from: number, count: number): Stored[] {
    this.lapse();
    return [...this.#messages.values()].filter(({ sequence }) => sequence >= from).slice(0, count);
  }

  /** Of locks whose time is over; of all when told so. */
  lapse(all = false): void {
    const now = this.#settings.clock();
    for (const stored of [...this.#locked.values()]) {
      if (all || (stored.lock?.until ?? 0) <= now) this.#giveBack(stored, "Its receivers did not settle it.");
    }
  }

  #add(message: Message, availableAt: number): number {
    const sequence = ++this.#sequence;
    const stored = {
      message,
      sequence,
      enqueuedAt: this.#settings.clock(),
      availableAt,
      deliveries: 0,
      lock: undefined,
    };
    this.#messages.set(sequence, stored);
    return sequence;
  }

  #holder(token: string): Stored {
    this.lapse();
    const stored = this.#locked.get(token);
    if (stored === undefined) throw lockLost();
    return stored;
  }

  #unlock(stored: Stored): void {
    this.#locked.delete(stored.lock?.token ?? "");
    stored.lock = undefined;
  }

  #giveBack(stored: Stored, why: string): void {
    this.#unlock(stored);
    stored.deliveries += 1;
    this.redeliveries += 1;
    if (this.dead === undefined || stored.deliveries < this.#settings.maxDeliveries) return;
    this.#messages.delete(stored.sequence);
    this.#bury(stored, "MaxDeliveryCountExceeded", why);
  }

  #bury({ message }: Stored, reason: unknown, description: unknown): void {
    const properties = { DeadLetterReason: reason, DeadLetterErrorDescription: description };
    const dead = { ...message, application_properties: { ...message.application_properties, ...properties } };
    if (this.dead !== undefined) this.dead.#add(dead, 0);
  }
}
