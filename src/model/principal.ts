import type { Account } from "./account.ts";

/** Who a checked credential belongs to. */
export type Principal = UserPrincipal | JobPrincipal;

export interface UserPrincipal {
  readonly kind: "user";
  /** As the store has it now: authorisation never reads a token's claims. */
  readonly account: Account;
  readonly sessionId: string;
}

/** A worker that holds a job's token. */
export interface JobPrincipal {
  readonly kind: "job";
  readonly jobId: string;
  /** The attempt it claimed, or null for the token that came in the job's message. */
  readonly attempt: number | null;
  /** The job's input picture, which the token opens. */
  readonly inputImageId: string;
  /** The job's owner. */
  readonly account: Account;
}
