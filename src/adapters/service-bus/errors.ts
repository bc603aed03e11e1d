import { isServiceBusError } from "@azure/service-bus";

/** Of a message that is no longer this receiver's, whoever has it now. */
export function isLost(error: unknown): boolean {
  const isSettled = /already settled/.test((error as Error).message);
  return isSettled || (isServiceBusError(error) && ["MessageLockLost", "MessageNotFound"].includes(error.code));
}

/** What trying again cannot mend: an operator has to. */
export function isRefusal(error: unknown): boolean {
  if (isServiceBusError(error)) {
    return ["UnauthorizedAccess", "MessagingEntityNotFound", "MessagingEntityDisabled"].includes(error.code);
  }
  return /^(CredentialUnavailable|Authentication|AggregateAuthentication)Error$/.test((error as Error).name);
}

/** In one line, and without what the error carries along: a request, a message. */
export function reasonOf(error: unknown): string {
  const { name, message } = error as Error;
  const code = isServiceBusError(error) ? error.code : name;
  return `${code}: ${String(message).split("\n", 1)[0]}`;
}
