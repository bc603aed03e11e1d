import type { ConnectError } from "@connectrpc/connect";
import { isGone, type StreamCall } from "./call.ts";
import type { Messages } from "./interceptors.ts";
import { type Opened, open, receive } from "./open.ts";
import { Outlet } from "./outlet.ts";

/** Whatever ends it, the implementation's iterator is told so. */
export async function serveStream(call: StreamCall): Promise<void> {
  const { procedure, format } = call;
  const opened = open(call);
  const { context } = opened;
  const outlet = new Outlet(call, context, opened.compression.response);
  const { serializeInParts } = procedure[format.codec];
  let error: ConnectError | undefined;
  try {
    await procedure.options.requestGate?.(context);
    const response = await procedure.invoke(received(call, opened), context);
    context.adopt(response);
    for await (const message of response.message) await outlet.send(serializeInParts(message));
    // Which interceptors may fill in only now.
    context.adopt(response);
    context.end();
  } catch (thrown) {
    context.end(thrown);
    error = call.toWire(thrown, call.values);
  }
  if (!isGone(call)) await outlet.end(format.protocol.endOf(call, context, error));
}

async function* received(call: StreamCall, opened: Opened): Messages {
  yield await receive(call, opened);
}
