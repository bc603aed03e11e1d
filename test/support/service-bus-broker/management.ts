import rhea, { type Message } from "rhea";
import { malformed } from "./refusal.ts";
import type { Outcome, Store } from "./store.ts";
import { decode, encode, wrapTimes } from "./wire.ts";

type Body = Readonly<Record<string, unknown>>;
export interface Answer {
  readonly status: number;
  readonly body?: object;
}

/** The requests that a queue's $management takes. They throw Refusal. */
const operations: Readonly<Record<string, (store: Store, body: Body) => Answer>> = {
  "com.microsoft:renew-lock"(store, body) {
    return { status: 200, body: { expirations: wrapTimes(lockTokens(body).map((token) => store.renew(token))) } };
  },
  "com.microsoft:update-disposition"(store, body) {
    const outcome = outcomeOf(body);
    for (const token of lockTokens(body)) store.settle(token, outcome);
    return { status: 200 };
  },
  "com.microsoft:peek-message"(store, body) {
    const found = store.peek(long(body["from-sequence-number"]), Number(body["message-count"]));
    if (found.length === 0) return { status: 204 };
    return { status: 200, body: { messages: found.map((stored) => ({ message: encode(stored) })) } };
  },
  "com.microsoft:schedule-message"(store, body) {
    const messages = (body.messages as { readonly message: Buffer }[]).map(({ message }) => decode(message));
    const numbers = messages.flatMap((message) => {
      const at: unknown = message.message_annotations?.["x-opt-scheduled-enqueue-time"];
      if (!(at instanceof Date)) throw malformed("x-opt-scheduled-enqueue-time is missing");
      return store.put([message], at.getTime());
    });
    return { status: 200, body: { "sequence-numbers": rhea.types.wrap_array(numbers, 0x81, undefined) } };
  },
  "com.microsoft:cancel-scheduled-message"(store, body) {
    for (const number of body["sequence-numbers"] as unknown[]) store.cancel(long(number));
    return { status: 200 };
  },
};

export function manage(store: Store, { application_properties, body }: Message): Answer {
  const operation = operations[String(application_properties?.operation)];
  if (operation === undefined) throw malformed(`no operation ${application_properties?.operation}`);
  return operation(store, body as Body);
}

function lockTokens(body: Body): string[] {
  const tokens = body["lock-tokens"];
  if (!Array.isArray(tokens) || tokens.length === 0) throw malformed("lock-tokens is missing");
  return tokens.map((token: unknown) => (Buffer.isBuffer(token) ? rhea.uuid_to_string(token) : String(token)));
}

function outcomeOf(body: Body): Outcome {
  const status = body["disposition-status"];
  if (status === "completed") return { kind: "complete" };
  if (status === "abandoned") return { kind: "abandon" };
  if (status !== "suspended") throw malformed(`no disposition ${status}`);
  return { kind: "deadLetter", reason: body["deadletter-reason"], description: body["deadletter-description"] };
}

function long(value: unknown): number {
  return Buffer.isBuffer(value) ? Number(value.readBigInt64BE()) : Number(value);
}
