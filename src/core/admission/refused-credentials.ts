import { chainOr, type MaybePromise } from "../../helpers/maybe-promise.ts";
import type { Account } from "../../model/account.ts";
import { auditSubject } from "../../model/audit.ts";
import { DomainError, unauthenticated } from "../../model/errors.ts";

export function isUnauthenticated(error: unknown): error is DomainError {
  return error instanceof DomainError && error.code === "unauthenticated";
}

export function unlessUnauthenticated<P>(principal: () => MaybePromise<P>): MaybePromise<P | undefined> {
  return chainOr(principal, (error) => {
    if (isUnauthenticated(error)) return undefined;
    throw error;
  });
}

export function sessionEnded(): DomainError {
  return unauthenticated("SESSION_ENDED", "the session has ended: log in again");
}

export function usableAccount(account: Account | undefined): Account {
  if (account === undefined || account.disabled)
    throw unauthenticated("ACCOUNT_UNUSABLE", "the account cannot be used");
  return account;
}

export function refused(details: { readonly cause?: unknown; readonly subject?: string } = {}): DomainError {
  const message = "the credential is not valid: log in, refresh it, or send another key";
  return new DomainError("unauthenticated", "CREDENTIAL_INVALID", message, details);
}

export function refreshTokenReused(accountId: string): DomainError {
  return unauthenticated(
    "REFRESH_TOKEN_REUSED",
    "the refresh token was used before, so its session has ended: log in again",
    auditSubject("user", accountId),
  );
}

export function refreshTokenInvalid(): DomainError {
  return unauthenticated("REFRESH_TOKEN_INVALID", "the refresh token is not valid any more: log in again");
}
