import type { SignedIn } from "../../core/accounts/sessions.ts";
import { toUser } from "./user-shape.ts";

/** Tokens as GoTrue hands them out, with whom they are for. Times are in seconds. */
export function toSession({ account, tokens }: SignedIn, lastStart: number | undefined) {
  const { accessTokenIssuedAt: issuedAt, accessTokenExpiresAt: expiresAt } = tokens;
  return {
    access_token: tokens.accessToken,
    token_type: "bearer",
    expires_in: (expiresAt - issuedAt) / 1000,
    expires_at: expiresAt / 1000,
    refresh_token: tokens.refreshToken,
    user: toUser(account, lastStart),
  };
}
