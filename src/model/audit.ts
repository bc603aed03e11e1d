import { clientIdSource, uuidSource } from "./ids.ts";
import type { Principal } from "./principal.ts";

/** An event of an account, a session, a client, a key or a dead letter. It never holds a secret. */
export interface AuditEvent {
  /** Unique; sorts by time, to the millisecond among several servers. */
  readonly id: string;
  readonly at: number;
  readonly action: string;
  /** `user:ID`, `client:ID`, `operator` or `anonymous`. */
  readonly actor: string;
  /** `user:ID`, `client:ID`, `session:ID`, `key:ID`, `job:ID`, `result:NUMBER`, or empty. */
  readonly target: string;
  /** The peer's. */
  readonly address: string;
  readonly requestId: string;
  /** Why it failed; empty when it did not. */
  readonly reason: string;
}

/** The actions that are recorded, whether they succeed or not. */
export type AuditAction =
  | "user.signed_up"
  | "user.created"
  | "user.password_changed"
  | "user.disabled_set"
  | "user.role_set"
  | "user.unlocked"
  | "user.renamed"
  | "user.deleted"
  | "user.email_change_requested"
  | "user.email_changed"
  | "user.password_reset_requested"
  | "user.password_reset"
  | "user.token_issued"
  | "user.imported"
  | "session.started"
  | "session.refreshed"
  | "session.ended"
  | "session.revoked"
  | "session.others_revoked"
  | "client.created"
  | "client.imported"
  | "client.updated"
  | "client.deleted"
  | "client.key_regenerated"
  | "client.key_exchanged"
  | "key.rotated"
  | "dead_letters.redriven"
  | "dead_letters.discarded";

/** What events may be looked up by, one at a time. */
export type AuditField = "action" | "actor" | "target";

/** The least id that an event of this moment can have. */
export function auditIdFrom(at: number): string {
  return String(Math.max(0, at)).padStart(15, "0");
}

export function isAuditId(text: string): boolean {
  return /^\d{15}-[0-9a-f-]{36}$/.test(text);
}

const idPattern = new RegExp(`^(?:${clientIdSource}|${uuidSource})$`);

/**
 * The actor or target of an event. Empty for a text that is no id of ours: people paste keys and passwords into the
 * wrong field.
 */
export function auditSubject(kind: "user" | "client" | "session" | "job", id: string | undefined): string {
  return id !== undefined && idPattern.test(id) ? `${kind}:${id}` : "";
}

/** The owner of a mailed token: it names them, valid or not. */
export function auditTokenOwner(token: string): string {
  return auditSubject("user", token.split("_")[1]);
}

/** The client of an API key: it names the client, valid or not. */
export function auditKeyOwner(key: string): string {
  return auditSubject("client", /^dk_([a-z0-9]+)_/.exec(key)?.[1]);
}

export function auditActor(principal: Principal | undefined): string {
  if (principal?.kind === "user") return auditSubject("user", principal.account.id);
  if (principal?.kind === "client") return auditSubject("client", principal.client.id);
  return "anonymous";
}
