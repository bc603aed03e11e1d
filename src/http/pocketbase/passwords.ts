import { checkFields } from "../../model/errors.ts";
import { blankRule, mismatchRule } from "./field-errors.ts";

export interface PasswordFields {
  readonly password?: string;
  readonly passwordConfirm?: string;
  readonly oldPassword?: string;
}

export function blankOf(text: string): string | undefined {
  return text === "" ? blankRule : undefined;
}

export function confirmRule(password: string, confirm: string): string | undefined {
  return blankOf(confirm) ?? (confirm === password ? undefined : mismatchRule);
}

/** The change of a password that a record's update asks for, or undefined; throws when it is not whole. */
export function passwordChangeOf({ password = "", passwordConfirm = "", oldPassword = "" }: PasswordFields) {
  if (password + passwordConfirm + oldPassword === "") return undefined;
  checkFields({
    password: () => blankOf(password),
    passwordConfirm: () => confirmRule(password, passwordConfirm),
    oldPassword: () => blankOf(oldPassword),
  });
  return { old: oldPassword, wanted: password };
}
