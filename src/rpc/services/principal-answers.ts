import type { Message } from "@bufbuild/protobuf";
import type { Account } from "../../model/account.ts";
import type { Client } from "../../model/client.ts";
import type { Principal } from "../../model/principal.ts";
import { reusable } from "../fast/serialized-once.ts";

/**
 * Answers that say whose a credential is, made anew only when the record of its account or client was read anew, or when
 * another of its sessions or tokens asks.
 */
export function principalAnswers<M extends Message>(make: (principal: Principal) => M): (principal: Principal) => M {
  const last = new WeakMap<Account | Client, { readonly by: unknown; readonly answer: M }>();
  return (principal) => {
    if (principal.kind !== "user" && principal.kind !== "client") return make(principal);
    const [record, by] =
      principal.kind === "user" ? [principal.account, principal.sessionId] : [principal.client, principal.scopes];
    const known = last.get(record);
    if (known?.by === by) return known.answer;
    const answer = reusable(make(principal));
    last.set(record, { by, answer });
    return answer;
  };
}
