import { checkFields } from "../../model/errors.ts";
import { blankRule, mismatchRule } from "./field-errors.ts";

export interface PasswordFields {
  readonly password?: string;
  readonly passwordConfirm?: string;
  readonly oldPassword?: string;
}

export function confirmRule(password: string, confirm: string): string | undefined {
  if (confirm === "") return blankRule;
  return confirm === password ? undefined : mismatchRule;
}

/** The change of a password that a record's update asks for, or undefined; throws when it is not whole. */
export function passwordChangeOf({ password = "", passwordConfirm = "", oldPassword = "" }: PasswordFields) {
  if (password + passwordConfirm + oldPassword === "") return undefined;
  checkFields({
    password: () => (password === "" ? blankRule : undefined),
    passwordConfirm: () => confirmRule(password, passwordConfirm),
    oldPassword: () => (oldPassword === "" ? blankRule : undefined),
  });
  return { old: oldPassword, wanted: password };
}
