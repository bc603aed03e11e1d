import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Call } from "../model/call.ts";
import type { JobPrincipal, Owner, Principal, UserPrincipal } from "../model/principal.ts";

/** The request on the port that an RPC came in by. */
export const callKey = createContextKey<Call | undefined>(undefined);

export function callOf(context: HandlerContext): Call {
  const call = context.values.get(callKey);
  if (call === undefined) throw new Error("an RPC came in by no request");
  return call;
}

/** Who makes the call. The access table lets nobody else come this far. */
export function principalOf(context: HandlerContext): Principal {
  const { principal } = callOf(context);
  if (principal === undefined) throw new Error(`${context.method.name} is open and asks for its caller`);
  return principal;
}

export function userOf(context: HandlerContext): UserPrincipal {
  const principal = principalOf(context);
  if (principal.kind !== "user") throw new Error(`${context.method.name} lets others than users call it`);
  return principal;
}

/** An account or a client, which own jobs and pictures alike. */
export function ownerOf(context: HandlerContext): Owner {
  const principal = principalOf(context);
  if (principal.kind === "job" || principal.kind === "worker")
    throw new Error(`${context.method.name} lets workers call it`);
  return principal;
}

export function jobOf(context: HandlerContext): JobPrincipal {
  const principal = principalOf(context);
  if (principal.kind !== "job") throw new Error(`${context.method.name} lets others than workers call it`);
  return principal;
}
