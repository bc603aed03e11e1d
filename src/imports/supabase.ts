import type { ForeignUser, UserSource } from "../model/imports.ts";
import { UserError } from "../user-error.ts";
import type { Values } from "./rows.ts";
import { flagOf, isForEver, objectOf, textOf, timeOf } from "./values.ts";

const needed = ["id", "email", "encrypted_password", "raw_user_meta_data", "created_at"];
/** The metadata that GoTrue writes itself, from other columns. */
const own = ["sub", "email", "email_verified", "phone_verified"];

export const supabase: UserSource = {
  keeps: "id",
  names: {
    username: "username",
    email: "email",
    passwordHash: "encrypted_password",
    metadata: "raw_user_meta_data",
  },
};

/** A row of `auth.users`. */
export function supabaseUser(values: Values): ForeignUser {
  const missing = needed.filter((name) => !Object.hasOwn(values, name));
  if (missing.length > 0) throw new UserError(`it has no ${missing.join(", ")}: it must be an export of auth.users`);
  return {
    id: textOf(values, "id"),
    username: "",
    email: textOf(values, "email"),
    passwordHash: textOf(values, "encrypted_password"),
    metadata: metadataOf(values),
    createdAt: timeOf(values, "created_at"),
    isDeleted: textOf(values, "deleted_at") !== "",
    isAnonymous: flagOf(values, "is_anonymous") === true,
    isSso: flagOf(values, "is_sso_user") === true,
    bannedUntil: isForEver(values, "banned_until") ? Number.POSITIVE_INFINITY : timeOf(values, "banned_until"),
  };
}

function metadataOf(values: Values): Record<string, unknown> {
  const all = Object.entries(objectOf(values, "raw_user_meta_data"));
  return Object.fromEntries(all.filter(([key]) => !own.includes(key)));
}
