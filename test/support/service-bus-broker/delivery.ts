import rhea, { type Delivery, type Sender } from "rhea";
import { Refusal } from "./refusal.ts";
import type { Outcome, Store } from "./store.ts";
import { tagOf } from "./tokens.ts";
import { encode } from "./wire.ts";

/** A link to a receiver, which takes what its credit allows and settles it. */
export class DeliveryLink {
  readonly store: Store;
  readonly #sender: Sender;
  readonly #tokens = new WeakMap<Delivery, string>();

  constructor(sender: Sender, store: Store, onChange: () => void) {
    this.store = store;
    this.#sender = sender;
    answerDrains(sender);
    sender.on("sender_flow", onChange);
    sender.on("accepted", ({ delivery }) => this.#settle(delivery, { kind: "complete" }, onChange));
    // And when modified, which rhea tells as released too.
    sender.on("released", ({ delivery }) => this.#settle(delivery, { kind: "abandon" }, onChange));
    sender.on("rejected", ({ delivery }) => this.#settle(delivery, deadLetterOf(delivery), onChange));
  }

  get isOpen(): boolean {
    return this.#sender.is_open();
  }

  /** One message, if there is credit and one waits. */
  deliver(): boolean {
    if (!this.isOpen || !this.#sender.sendable()) return false;
    const stored = this.store.take();
    if (stored?.lock === undefined) return false;
    const { token } = stored.lock;
    // Encoded here: the format 0 makes it the message that it is.
    const delivery = this.#sender.send(encode(stored), tagOf(token), 0);
    this.#tokens.set(delivery, token);
    return true;
  }

  #settle(delivery: Delivery | undefined, how: Outcome, onChange: () => void): void {
    if (delivery === undefined) return;
    try {
      this.store.settle(this.#tokens.get(delivery) ?? "", how);
      this.#tokens.delete(delivery);
      delivery.update(true, accepted({}).described());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { condition, message: description } = error;
      delivery.update(true, rejected({ error: { condition, description } }).described());
    }
    onChange();
  }
}

type Describe = (fields: object) => { described(): object };
const { accepted, rejected } = rhea.message as unknown as { readonly accepted: Describe; readonly rejected: Describe };

function deadLetterOf(delivery: Delivery | undefined): Outcome {
  const { error } = (delivery?.remote_state ?? {}) as { readonly error?: { readonly info?: Record<string, unknown> } };
  const { DeadLetterReason: reason, DeadLetterErrorDescription: description } = error?.info ?? {};
  return { kind: "deadLetter", reason, description };
}

/** rhea answers a drain only while there is credit left to give back; receivers wait for the answer in any case. */
function answerDrains(sender: Sender): void {
  const link = sender as unknown as {
    credit: number;
    delivery_count: number;
    issue_flow: boolean;
    _draining: boolean;
    _get_drain(): boolean;
  };
  link._get_drain = () => {
    const isDraining = link._draining;
    link._draining = false;
    if (isDraining) {
      link.delivery_count += link.credit;
      link.credit = 0;
    }
    return isDraining;
  };
  sender.on("sender_draining", () => {
    // What was sent before it must go out first.
    setImmediate(() => {
      link.issue_flow = true;
      (sender.connection as unknown as { _register(): void })._register();
    });
  });
}
