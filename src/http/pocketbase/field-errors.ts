import { passwordMaxBytes, passwordMinLength } from "../../model/account.ts";
import type { FieldViolation } from "../../model/errors.ts";

/** What is wrong with one field, by a code that front ends know. */
export interface FieldError {
  readonly code: string;
  readonly message: string;
}

export const blankRule = "must not be empty";
export const mismatchRule = "must be the same as the password";
export const fixedRule = "is not changed here";

/** These routes' names for fields that the use cases call otherwise. */
const names: Readonly<Record<string, string>> = {
  // `data` is all that a record has besides its names; only its `name` has no limit of its own.
  data: "name",
  image_id: "uuid",
  new_password: "password",
  old_password: "oldPassword",
  record_id: "id",
};

const passwordLength = {
  code: "validation_length_out_of_range",
  message: `The length must be between ${passwordMinLength} and ${passwordMaxBytes}.`,
};

/** PocketBase's error for a field (undefined: any) and a broken rule. The first that fits counts. */
const known: readonly (readonly [field: string | undefined, rule: RegExp, Partial<FieldError>])[] = [
  [undefined, /^must (not be empty|be given)$/, { code: "validation_required", message: "Cannot be blank." }],
  [undefined, new RegExp(`^${mismatchRule}$`), { code: "validation_values_mismatch", message: "Values don't match." }],
  [undefined, new RegExp(`^${fixedRule}$`), { code: "validation_in_invalid", message: "Must be a valid value." }],
  ["password", /^must have at (least|most) /, passwordLength],
  [
    "oldPassword",
    /^is wrong$/,
    { code: "validation_invalid_old_password", message: "Missing or invalid old password." },
  ],
  [
    "email",
    /^is already in use/,
    { code: "validation_invalid_email", message: "The email is invalid or already in use." },
  ],
  ["email", /./, { code: "validation_is_email", message: "Must be a valid email address." }],
  [
    "username",
    /^is taken/,
    { code: "validation_invalid_username", message: "The username is invalid or already in use." },
  ],
  ["username", /./, { code: "validation_match_invalid" }],
  ["id", /^must /, { code: "validation_match_invalid" }],
  ["token", /^is unknown/, { code: "validation_invalid_token", message: "Invalid or expired token." }],
];

/** The errors by field, sorted by name; of several rules that a field broke, the first. */
export function fieldErrors(violations: readonly FieldViolation[]): Record<string, FieldError> {
  const named = violations.map(({ field, rule }) => ({ field: names[field] ?? field, rule }));
  const errors = named.map(({ field, rule }) => [field, fieldError(field, rule)] as const);
  return Object.fromEntries(errors.toReversed().toSorted(([a], [b]) => (a < b ? -1 : Number(a > b))));
}

/** PocketBase's error, or the rule itself where PocketBase has no words of its own, or says less. */
function fieldError(field: string, rule: string): FieldError {
  const found = known.find(([name, pattern]) => (name === undefined || name === field) && pattern.test(rule));
  return { code: "validation_invalid_value", message: sentence(rule), ...found?.[2] };
}

/** A message as PocketBase writes it: with a capital letter and a full stop. */
export function sentence(text: string): string {
  const full = text.endsWith(".") ? text : `${text}.`;
  return full.charAt(0).toUpperCase() + full.slice(1);
}
