import type { JWTPayload } from "jose";
import type { Account } from "../model/account.ts";
import type { Client, Scope } from "../model/client.ts";
import { type Session, sessionEnd } from "../model/session.ts";
import { supabaseEmail, supabaseProviders, supabaseRole, supabaseTokenMetadata } from "../model/supabase-user.ts";
import { type Surface, termsOf, usersCollectionId } from "../model/surface.ts";
import { type AccessClaims, InvalidToken } from "../ports/credentials.ts";

const audience = "darkroom";

/** A token's type, which decides its audience: RFC 9068's, and the plain one that Supabase's callers expect. */
export const audiences = { "at+jwt": audience, JWT: supabaseRole } as const;
export type TokenType = keyof typeof audiences;

/** What an access token says, before its key and times are added. */
export interface TokenContent {
  readonly type: TokenType;
  readonly subject: string;
  readonly claims: JWTPayload;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** The longest that any session's token lives. */
export const sessionTokenMaxMs = Math.max(...Object.values(termsOf).map(({ accessMs }) => accessMs));

export function sessionContent(session: Session, account: Account, now: number): TokenContent {
  return {
    type: session.surface === "supabase" ? "JWT" : "at+jwt",
    subject: session.accountId,
    claims: { ...surfaceClaims[session.surface](session, account), sid: session.id },
    expiresAt: Math.min(now + termsOf[session.surface].accessMs, sessionEnd(session)),
  };
}

const surfaceClaims: Readonly<Record<Surface, (session: Session, account: Account) => JWTPayload>> = {
  own: () => ({ client_id: audience }),
  supabase: (session, account) => ({
    email: supabaseEmail(account),
    phone: "",
    app_metadata: supabaseProviders,
    user_metadata: supabaseTokenMetadata(account),
    // Supabase's role for anybody who is signed in; ours is read from the account's record, never from a token.
    role: supabaseRole,
    aal: "aal1",
    amr: [{ method: "password", timestamp: Math.floor(session.createdAt / 1000) }],
    session_id: session.id,
    is_anonymous: false,
  }),
  pocketbase: (_session, { recordId }) => ({
    client_id: audience,
    id: recordId,
    type: "authRecord",
    collectionId: usersCollectionId,
  }),
};

export function clientContent(
  client: Client,
  keyVersion: number,
  scopes: readonly Scope[],
  expiresAt: number,
): TokenContent {
  return {
    type: "at+jwt",
    subject: client.id,
    claims: { client_id: client.id, kv: keyVersion, scope: scopes.join(" ") },
    expiresAt: Math.min(expiresAt, client.expiresAt ?? Number.POSITIVE_INFINITY),
  };
}

/** Reads the claims of a token whose signature, type, audience and times are valid. Throws InvalidToken. */
export function readClaims({ sub, sid, client_id, kv, scope }: JWTPayload): AccessClaims {
  if (typeof sub !== "string") throw new InvalidToken("no subject");
  if (typeof sid === "string") return { kind: "user", accountId: sub, sessionId: sid };
  if (client_id !== sub || typeof kv !== "number" || typeof scope !== "string")
    throw new InvalidToken("claims missing");
  return { kind: "client", clientId: sub, keyVersion: kv, scopes: scope.split(" ") };
}
