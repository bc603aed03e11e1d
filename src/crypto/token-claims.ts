import type { JWTPayload } from "jose";
import type { Client, Scope } from "../model/client.ts";
import { type Session, sessionEnd } from "../model/session.ts";
import { type AccessClaims, InvalidToken } from "../ports/credentials.ts";

/** RFC 9068. */
export const tokenType = "at+jwt";
export const audience = "darkroom";
const sessionAccessMs = 15 * 60 * 1000;

/** What an access token says, before its key and times are added. */
export interface TokenContent {
  readonly subject: string;
  readonly claims: JWTPayload;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export function sessionContent(session: Session, now: number): TokenContent {
  return {
    subject: session.accountId,
    claims: { client_id: audience, sid: session.id },
    expiresAt: Math.min(now + sessionAccessMs, sessionEnd(session)),
  };
}

export function clientContent(
  client: Client,
  keyVersion: number,
  scopes: readonly Scope[],
  expiresAt: number,
): TokenContent {
  return {
    subject: client.id,
    claims: { client_id: client.id, kv: keyVersion, scope: scopes.join(" ") },
    expiresAt: Math.min(expiresAt, client.expiresAt ?? Number.POSITIVE_INFINITY),
  };
}

/** Of a token whose signature, type, audience and times are good. Throws InvalidToken. */
export function readClaims({ sub, sid, client_id, kv, scope }: JWTPayload): AccessClaims {
  if (typeof sub !== "string") throw new InvalidToken("no subject");
  if (typeof sid === "string") return { kind: "user", accountId: sub, sessionId: sid };
  if (client_id !== sub || typeof kv !== "number" || typeof scope !== "string")
    throw new InvalidToken("claims missing");
  return { kind: "client", clientId: sub, keyVersion: kv, scopes: scope.split(" ") };
}
