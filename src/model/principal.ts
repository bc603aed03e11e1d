import type { Account } from "./account.ts";
import type { Client, Scope } from "./client.ts";

/** Who a checked credential belongs to. */
export type Principal = UserPrincipal | ClientPrincipal | JobPrincipal | WorkerPrincipal;

/** Who can own jobs and pictures. */
export type Owner = UserPrincipal | ClientPrincipal;

export interface UserPrincipal {
  readonly kind: "user";
  /** As the store has it now: authorisation never reads a token's claims. */
  readonly account: Account;
  readonly sessionId: string;
}

/** A service, by its API key or a client token. */
export interface ClientPrincipal {
  readonly kind: "client";
  readonly client: Client;
  /** The version of the key that was sent, or that the token was made from. */
  readonly keyVersion: number;
  /** The credential's scopes that the client still has. */
  readonly scopes: readonly Scope[];
}

/** A worker that holds a job's token. */
export interface JobPrincipal {
  readonly kind: "job";
  readonly jobId: string;
  /** The attempt it claimed, or null for the token that came in the job's message. */
  readonly attempt: number | null;
  /** The job's input picture, which the token opens. */
  readonly inputImageId: string;
  readonly owner:
    | { readonly kind: "user"; readonly account: Account }
    | { readonly kind: "client"; readonly client: Client };
}

/** A worker of the first system, by the key that all of them share with the image service; it acts for nobody. */
export interface WorkerPrincipal {
  readonly kind: "worker";
}

/** The id that owns jobs and pictures. Accounts' ids are UUIDs and clients' are shorter, so no two are equal. */
export function ownerIdOf(owner: Owner | JobPrincipal["owner"]): string {
  return owner.kind === "user" ? owner.account.id : owner.client.id;
}
