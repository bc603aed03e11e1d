import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Call } from "../model/call.ts";

/** The request on the port that an RPC came in by. */
export const callKey = createContextKey<Call | undefined>(undefined);

export function callOf(context: HandlerContext): Call {
  const call = context.values.get(callKey);
  if (call === undefined) throw new Error("an RPC came in by no request");
  return call;
}
