import type { MaybePromise } from "../helpers/maybe-promise.ts";
import type { Account } from "../model/account.ts";
import type { Client, Scope } from "../model/client.ts";
import type { Session } from "../model/session.ts";

/** Thrown by every `verify` for an invalid token; the cause is for the log, not for the caller. */
export class InvalidToken extends Error {
  override readonly name = "InvalidToken";
}

export type AccessClaims =
  | { readonly kind: "user"; readonly accountId: string; readonly sessionId: string }
  | {
      readonly kind: "client";
      readonly clientId: string;
      readonly keyVersion: number;
      readonly scopes: readonly string[];
    };

export interface AccessToken {
  readonly token: string;
  /** Both to the second, in milliseconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export interface AccessTokens {
  /** The token never outlives the session. */
  forSession(session: Session, account: Account): Promise<AccessToken>;
  /** The token never outlives the client. */
  forClient(client: Client, keyVersion: number, scopes: readonly Scope[]): Promise<AccessToken>;
  /** Checks signature, algorithm, type, issuer, audience and times. Rejects with InvalidToken. */
  verify(token: string): MaybePromise<AccessClaims>;
}

export interface JobClaims {
  readonly jobId: string;
  /** Null until the job was claimed. */
  readonly attempt: number | null;
}

/** Tokens signed by an internal key that signs nothing else. */
export interface JobTokens {
  issue(claims: JobClaims, expiresAt: number): string;
  /** Whether this could be a job token, by its declared type; the signature is not looked at. */
  recognises(token: string): boolean;
  /**
   * Throws InvalidToken; for a token of ours that has expired, a DomainError with the reason JOB_ENDED, which the
   * worker must be told.
   */
  verify(token: string): JobClaims;
}

/** A secret that its holder knows; we keep its hash. */
export interface Secret {
  readonly token: string;
  readonly hash: string;
}

export interface RefreshTokens {
  first(sessionId: string): Secret;
  /** The same token always has the same successor. */
  successor(token: string): Secret;
  /** The session and hash of a token that was issued here, however long ago; undefined for any other. */
  read(token: string): { readonly sessionId: string; readonly hash: string } | undefined;
}

/** Secrets that contain the UUID of the record that stores their hash. */
export interface NamedSecrets {
  issue(id: string): Secret;
  /** The record's id and the secret's hash, for a text in such a secret's form; undefined for anything else. */
  read(token: string): { readonly id: string; readonly hash: string } | undefined;
  /** Compares hashes in constant time. */
  matches(hash: string, stored: string | null): boolean;
}

export interface ApiKeys {
  issue(clientId: string): Promise<Secret>;
  /** The client's id, for a text in a key's form; undefined for anything else. */
  read(key: string): string | undefined;
  /**
   * The index of the first stored hash that matches. Without stored hashes it takes the same time, and is undefined. A
   * key that was verified is remembered. Rejects with DomainError `resource_exhausted` when too many are waiting.
   */
  verify(key: string, stored: readonly string[]): MaybePromise<number | undefined>;
}

/** Whether a credential is the one key that the first system's workers share; compares in constant time. */
export type IsServiceKey = (credential: string) => boolean;

/** The methods that hash reject with DomainError `resource_exhausted` when too many are waiting. */
export interface Passwords {
  hash(password: string): Promise<string>;
  /** Checks the password of somebody who signs in. Takes the same time without a stored hash, and is false then. */
  verify(password: string, stored: string | undefined): Promise<boolean>;
  /** Checks the password of somebody who is already signed in. */
  confirm(password: string, stored: string): Promise<boolean>;
  isCommon(password: string): boolean;
}
