import type { ConnectError } from "@connectrpc/connect";
import { type FastCall, isGone } from "./call.ts";
import { adopt } from "./intercepted.ts";
import type { Messages } from "./interceptors.ts";
import { type Opened, open, receive } from "./open.ts";
import { Outlet } from "./outlet.ts";
import type { StreamProcedure } from "./procedures.ts";
import type { StreamProtocol } from "./protocol.ts";

type StreamCall = FastCall<StreamProcedure, StreamProtocol>;

/** Whatever ends the stream, the implementation's iterator is told so. */
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
    adopt(response, context);
    for await (const message of response.message) await outlet.send(serializeInParts(message));
    // Interceptors may fill in the trailers only now.
    adopt(response, context);
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
