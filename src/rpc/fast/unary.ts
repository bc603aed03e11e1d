import { type FastCall, isGone } from "./call.ts";
import { adopt } from "./intercepted.ts";
import { open, receive } from "./open.ts";
import type { UnaryProcedure } from "./procedures.ts";
import type { UnaryOutcome, UnaryProtocol } from "./protocol.ts";

export async function serveUnary(call: FastCall<UnaryProcedure, UnaryProtocol>): Promise<void> {
  const { procedure, format } = call;
  const opened = open(call);
  const { context } = opened;
  let outcome: UnaryOutcome;
  try {
    // Awaited even if the gate has decided at once: Node's parser has the body only when this turn is over.
    await procedure.options.requestGate?.(context);
    const received = receive(call, opened);
    const message = received instanceof Promise ? await received : received;
    const response = await procedure.invoke(message, context);
    adopt(response, context);
    outcome = procedure[format.codec].serialize(response.message);
    context.end();
  } catch (error) {
    context.end(error);
    outcome = call.toWire(error, call.values);
  }
  if (isGone(call)) return;
  const responded = format.protocol.respond(call, context, outcome, opened.compression.response);
  if (responded instanceof Promise) await responded;
}
