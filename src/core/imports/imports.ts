import pRetry from "p-retry";
import { DuplicateKey, StoreUnavailable } from "../../ports/store-errors.ts";
import type { Audit } from "../audit.ts";

/** What became of a record of another system. One that breaks a rule, or whose names are another's, is a DomainError. */
export type ImportOutcome =
  | {
      readonly outcome: "imported";
      /** Of the account or the client. */
      readonly id: string;
      /** A client's. */
      readonly name?: string;
      /** A client's, shown this once; undefined where nothing is written. */
      readonly key?: string | undefined;
      /** What differs from where it came from. */
      readonly notes: readonly string[];
    }
  /** By an earlier import of the same record. */
  | { readonly outcome: "there"; readonly id: string; readonly name?: string }
  /** On purpose. */
  | { readonly outcome: "left"; readonly reason: string };

export interface ImportDeps {
  readonly audit: Audit;
  /** Of all that is imported together. */
  readonly requestId: string;
  /** Looks at everything and writes nothing. */
  readonly dryRun: boolean;
}

/** A database that is away is asked again for a minute; what was taken meanwhile, and what was written, is looked at again. */
export function retry<T>(work: () => Promise<T>): Promise<T> {
  const shouldRetry = ({ error }: { error: Error }) =>
    error instanceof StoreUnavailable || error instanceof DuplicateKey;
  return pRetry(work, { retries: 60, factor: 1, minTimeout: 1000, shouldRetry });
}

/** By whoever may open the database. */
export function keepImport({ audit, requestId }: ImportDeps, kind: "user" | "client", id: string): Promise<void> {
  const event = { actor: "operator", address: "", requestId, reason: "" };
  return audit.record({ ...event, action: `${kind}.imported`, target: `${kind}:${id}` });
}
