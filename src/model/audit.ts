/** Something that happened to an account, a session, a client, a key, or what was given up. It never holds a secret. */
export interface AuditEvent {
  /** Unique; in the order of time, to the millisecond. */
  readonly id: string;
  readonly at: number;
  /** For example `session.started`. */
  readonly action: string;
  /** `user:ID`, `client:ID` or `anonymous`. */
  readonly actor: string;
  /** `user:ID`, `client:ID`, `session:ID`, `key:ID`, `job:ID`, `result:NUMBER`, or empty. */
  readonly target: string;
  /** The peer's. */
  readonly address: string;
  readonly requestId: string;
  /** Why it failed; empty when it did not. */
  readonly reason: string;
}

/** What events may be looked up by, one at a time. */
export type AuditField = "action" | "actor" | "target";

/** The least id that an event of this moment can have. */
export function auditIdFrom(at: number): string {
  return String(Math.max(0, at)).padStart(15, "0");
}

export function isAuditId(text: string): boolean {
  return /^\d{15}-[0-9a-f-]{36}$/.test(text);
}
