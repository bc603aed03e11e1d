import type { AuditEvent, AuditField } from "../model/audit.ts";

export interface AuditQuery {
  /** Only events with this value; all when undefined. */
  readonly where: { readonly field: AuditField; readonly value: string } | undefined;
  /** Only events whose id is not less than this. */
  readonly from: string;
  /** Only events whose id is less than this. */
  readonly before: string;
  readonly limit: number;
}

/** The audit trail, append-only. Every method may reject when the engine cannot be reached. */
export interface AuditStore {
  /** When it resolves, the event survives a power cut. Rejects with DuplicateKey when the id is taken. */
  append(event: AuditEvent): Promise<void>;
  /** By id, descending. */
  list(query: AuditQuery): Promise<AuditEvent[]>;
  /** Deletes events whose id is less, the oldest first, at most `limit`; resolves to their number. */
  deleteBefore(id: string, limit: number): Promise<number>;
}
