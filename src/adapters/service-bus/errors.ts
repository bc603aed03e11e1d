import { isServiceBusError } from "@azure/service-bus";

/** Whether the error says that the message is no longer this receiver's, whoever has it now. */
export function isLost(error: unknown): boolean {
  const last = lastOf(error);
  const isSettled = /already settled/.test(last.message);
  return isSettled || (isServiceBusError(last) && ["MessageLockLost", "MessageNotFound"].includes(last.code));
}

/** Whether trying again cannot help, and an operator has to mend the cause. */
export function isRefusal(error: unknown): boolean {
  const last = lastOf(error);
  if (isServiceBusError(last)) {
    return ["UnauthorizedAccess", "MessagingEntityNotFound", "MessagingEntityDisabled"].includes(last.code);
  }
  return /^(CredentialUnavailable|Authentication|AggregateAuthentication)Error$/.test(last.name);
}

/** The error in one line, without what it carries along: a request, a message. */
export function reasonOf(error: unknown): string {
  const last = lastOf(error);
  const code = isServiceBusError(last) ? last.code : last.name;
  return `${code}: ${last.message.split("\n", 1)[0]}`;
}

/** The last error: after several tries the SDK reports one for each. */
function lastOf(error: unknown): Error {
  return error instanceof AggregateError && error.errors.length > 0 ? error.errors.at(-1) : (error as Error);
}
