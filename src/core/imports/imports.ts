import pRetry from "p-retry";
import { DuplicateKey, StoreUnavailable } from "../../ports/store-errors.ts";
import type { Audit } from "../audit.ts";

/** What became of another system's record. A record that breaks a rule, or whose names are taken, is a DomainError instead. */
export type ImportOutcome =
  | {
      readonly outcome: "imported";
      /** The id of the account or client. */
      readonly id: string;
      /** A client's name. */
      readonly name?: string;
      /** A client's key, shown only here; undefined where nothing is written. */
      readonly key?: string | undefined;
      /** What differs from the original. */
      readonly notes: readonly string[];
    }
  /** An earlier import of the same record wrote it. */
  | { readonly outcome: "there"; readonly id: string; readonly name?: string }
  /** Not imported on purpose. */
  | { readonly outcome: "left"; readonly reason: string };

export interface ImportDeps {
  readonly audit: Audit;
  /** One id for all records of an import. */
  readonly requestId: string;
  /** Looks at everything and writes nothing. */
  readonly dryRun: boolean;
}

/** Tries again for a minute when the database is away, or when a name was taken or the record written meanwhile. */
export function retry<T>(work: () => Promise<T>): Promise<T> {
  const shouldRetry = ({ error }: { error: Error }) =>
    error instanceof StoreUnavailable || error instanceof DuplicateKey;
  return pRetry(work, { retries: 60, factor: 1, minTimeout: 1000, shouldRetry });
}

/** The actor is an operator: whoever may open the database. */
export function keepImport({ audit, requestId }: ImportDeps, kind: "user" | "client", id: string): Promise<void> {
  const event = { actor: "operator", address: "", requestId, reason: "" };
  return audit.record({ ...event, action: `${kind}.imported`, target: `${kind}:${id}` });
}
