import type { Connection, EventContext, Message, Receiver, Sender } from "rhea";
import { DeliveryLink } from "./delivery.ts";
import type { Entities } from "./entities.ts";
import { type Answer, manage } from "./management.ts";
import { busy, Refusal, tooLarge, unauthorized } from "./refusal.ts";
import type { Faults, Store } from "./store.ts";
import { checkToken } from "./tokens.ts";
import { decodeSent, sizeOf } from "./wire.ts";

export const maxMessageBytes = 262_144;

interface Namespace {
  readonly entities: Entities;
  readonly faults: Faults;
  /** There may be something to deliver. */
  changed(): void;
}

interface Terminus {
  readonly address: string;
}

/** One client's connection: what it may reach, and its links. */
export class ClientConnection {
  readonly deliveries = new Set<DeliveryLink>();
  readonly #namespace: Namespace;
  readonly #open = new Set<string>();
  /** Links by which answers go, by the address that requests name, and by the node's for those that name none. */
  readonly #replies = new Map<string, Sender>();

  constructor(connection: Connection, namespace: Namespace) {
    this.#namespace = namespace;
    connection.on(
      "sender_open",
      ({ sender }: EventContext) => sender && refusing(sender, () => this.#toClient(sender)),
    );
    connection.on(
      "receiver_open",
      ({ receiver }: EventContext) => receiver && refusing(receiver, () => this.#fromClient(receiver)),
    );
  }

  #toClient(sender: Sender): void {
    const { source, target } = sender as unknown as { source: Terminus; target: Terminus };
    sender.set_source({ address: source.address });
    if (target.address) sender.set_target({ address: target.address });
    const path = pathOf(source.address);
    if (path === "$cbs") return void this.#answerBy(sender, target.address, path);
    const { store, isManagement } = this.#find(path);
    if (isManagement) return void this.#answerBy(sender, target.address, path);
    const link = new DeliveryLink(sender, store, this.#namespace.changed);
    this.deliveries.add(link);
    sender.on("sender_close", () => this.deliveries.delete(link));
    this.#namespace.changed();
  }

  #answerBy(sender: Sender, replyTo: string, node: string): void {
    this.#replies.set(replyTo || sender.name, sender);
    this.#replies.set(node, sender);
  }

  #fromClient(receiver: Receiver): void {
    const { source, target } = receiver as unknown as { source: Terminus | null; target: Terminus };
    // A link whose answer has no source is a refused one for Python's SDK.
    if (source?.address) receiver.set_source({ address: source.address });
    receiver.set_target({ address: target.address });
    const path = pathOf(target.address);
    const { local } = receiver as unknown as { local: { attach: { max_message_size: number } } };
    local.attach.max_message_size = maxMessageBytes;
    receiver.add_credit(100);
    receiver.on("message", () => receiver.add_credit(1));
    if (path === "$cbs") return void this.#serve(receiver, path, (request) => this.#putToken(request));
    const { store, isManagement } = this.#find(path);
    if (isManagement) return void this.#serve(receiver, path, (request) => manage(store, request));
    receiver.on("message", (context: EventContext) => this.#receive(store, context));
  }

  #receive(store: Store, { message, delivery }: EventContext): void {
    if (message === undefined || delivery === undefined) return;
    try {
      const { faults } = this.#namespace;
      if (faults.refuseSends > 0) {
        faults.refuseSends -= 1;
        throw busy();
      }
      const sent: Message | Buffer = message;
      if (sizeOf(sent) > maxMessageBytes) throw tooLarge();
      store.put(decodeSent(sent));
      delivery.accept();
      this.#namespace.changed();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      delivery.reject({ condition: error.condition, description: error.message });
    }
  }

  #serve(receiver: Receiver, node: string, answer: (request: Message) => Answer): void {
    receiver.on("message", ({ message, delivery }: EventContext) => {
      if (message === undefined) return;
      delivery?.accept();
      const { status, body, refusal } = answered(() => answer(message));
      const properties = {
        statusCode: status,
        "status-code": status,
        statusDescription: refusal?.message ?? "OK",
        ...(refusal && { errorCondition: refusal.condition }),
      };
      this.#replies
        .get(message.reply_to || node)
        ?.send({ correlation_id: message.message_id ?? "", application_properties: properties, body: body ?? {} });
      this.#namespace.changed();
    });
  }

  #putToken({ application_properties, body }: Message): Answer {
    this.#open.add(checkToken(String(body), String(application_properties?.name)).toLowerCase());
    return { status: 202 };
  }

  #find(path: string) {
    // A token for a queue opens what is below it too.
    const wanted = path.toLowerCase();
    const isOpen = [...this.#open].some((open) => wanted === open || wanted.startsWith(`${open}/`));
    if (!isOpen) throw unauthorized(path);
    return this.#namespace.entities.find(path);
  }
}

/** What an address names here; some SDKs write the namespace before it. */
function pathOf(address: string): string {
  return address.replace(/^(amqps?|sb):\/\/[^/]*\//, "");
}

function answered(answer: () => Answer): Answer & { readonly refusal?: Refusal } {
  try {
    return answer();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    return { status: refusal.status, refusal };
  }
}

function refusing(link: Sender | Receiver, open: () => void): void {
  try {
    open();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    link.close({ condition: error.condition, description: error.message });
  }
}
