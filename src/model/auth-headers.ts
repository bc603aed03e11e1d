import type { DomainError } from "./errors.ts";
import { attemptOver } from "./job-life.ts";

/** The reasons for which a given credential does not work; other refusals ask for a first one. */
const spent = ["CREDENTIAL_INVALID", "SESSION_ENDED", "ACCOUNT_UNUSABLE", ...attemptOver];

/** The `WWW-Authenticate` header of a refusal that another credential may avoid: RFC 6750, section 3. */
export function challengeOf({ code, reason, scopes }: DomainError): string | undefined {
  const challenge = 'Bearer realm="darkroom"';
  if (scopes.length > 0) return `${challenge}, error="insufficient_scope", scope="${scopes.join(" ")}"`;
  if (code !== "unauthenticated") return undefined;
  return spent.includes(reason) ? `${challenge}, error="invalid_token"` : challenge;
}

export interface CredentialHeaders {
  readonly authorization: string | undefined;
  readonly apiKey: string | undefined;
  /** Whether a token may stand in `Authorization` without its scheme. */
  readonly bareToken?: boolean | undefined;
  /** A browser's session token, which some routes accept where no other header has a credential. */
  readonly sessionToken?: string | undefined;
}

/**
 * The credential in the headers `Authorization` (`Bearer TOKEN`, the scheme in any letter case) or `X-API-Key`.
 * Undefined when there is none.
 */
export function credentialOf({ authorization = "", apiKey, bareToken }: CredentialHeaders): string | undefined {
  if (bareToken && /^\S+$/.test(authorization)) return authorization;
  return /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? (apiKey || undefined);
}
