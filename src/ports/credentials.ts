/** Thrown by every `verify` for a token that is not good; why is for the log, not for the caller. */
export class InvalidToken extends Error {
  override readonly name = "InvalidToken";
}

export interface AccessClaims {
  readonly accountId: string;
  readonly sessionId: string;
}

export interface AccessTokens {
  issue(claims: AccessClaims): Promise<{ token: string; expiresAt: number }>;
  /** Checks signature, algorithm, type, issuer, audience and times. Rejects with InvalidToken. */
  verify(token: string): Promise<AccessClaims>;
}

export interface JobClaims {
  readonly jobId: string;
  /** Null until the job was claimed. */
  readonly attempt: number | null;
}

/** Signed by an internal key that nothing else is signed by. */
export interface JobTokens {
  issue(claims: JobClaims, expiresAt: number): Promise<string>;
  /** Whether this could be a job token, by its declared type; the signature is not looked at. */
  recognises(token: string): boolean;
  verify(token: string): Promise<JobClaims>;
}

export interface RefreshSecret {
  readonly token: string;
  /** What is stored in its stead. */
  readonly hash: string;
}

export interface RefreshTokens {
  first(sessionId: string): RefreshSecret;
  /** Always the same one for the same token. */
  successor(token: string): RefreshSecret;
  /** The session and hash of a token that was issued here, however long ago; undefined for any other. */
  read(token: string): { readonly sessionId: string; readonly hash: string } | undefined;
}

export interface Passwords {
  /** Rejects with DomainError `resource_exhausted` when too many are waiting. */
  hash(password: string): Promise<string>;
  /** Takes the same time without a stored hash, and is false then. */
  verify(password: string, stored: string | undefined): Promise<boolean>;
  isCommon(password: string): boolean;
}
