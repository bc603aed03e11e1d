import type { FastifyRequest } from "fastify";
import type { Owner, Principal, UserPrincipal } from "../model/principal.ts";

export function principalOf({ call }: Pick<FastifyRequest, "call">): Principal {
  if (call.principal === undefined) throw new Error("an open route asks for its caller");
  return call.principal;
}

export function ownerOf(request: FastifyRequest): Owner {
  const principal = principalOf(request);
  if (principal.kind === "user" || principal.kind === "client") return principal;
  throw new Error("a route for owners lets others call it");
}

export function userOf(request: FastifyRequest): UserPrincipal {
  const principal = principalOf(request);
  if (principal.kind === "user") return principal;
  throw new Error("a route for users lets others call it");
}
