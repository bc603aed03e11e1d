import { isGone, type UnaryCall } from "./call.ts";
import { toConnectError } from "./errors.ts";
import { open } from "./open.ts";
import type { Outcome } from "./protocol.ts";

export async function serveUnary(call: UnaryCall): Promise<void> {
  const { procedure, format } = call;
  const { context, compression, receive } = open(call);
  let outcome: Outcome;
  try {
    // Also where it has decided at once: Node's parser has the body only when this turn is over.
    await procedure.options.requestGate?.(context);
    const received = receive();
    const message = received instanceof Promise ? await received : received;
    const response = await procedure.invoke(message, context);
    context.adopt(response);
    outcome = procedure[format.codec].serialize(response.message);
    context.end();
  } catch (error) {
    context.end(error);
    outcome = toConnectError(error);
  }
  if (!isGone(call)) await format.protocol.respond(call, context, outcome, compression);
}
