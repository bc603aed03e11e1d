import type { Account } from "../../model/account.ts";
import {
  supabaseEmail,
  supabaseIdentity,
  supabaseMetadata,
  supabaseProviders,
  supabaseRole,
} from "../../model/supabase-user.ts";

/** An account as GoTrue shows a user. Its address counts as confirmed, as with confirmation off there. */
export function toUser(account: Account, lastStart: number | undefined) {
  const { id } = account;
  const email = supabaseEmail(account);
  const createdAt = timeOf(account.createdAt);
  const times = {
    last_sign_in_at: timeOf(lastStart ?? account.createdAt),
    created_at: createdAt,
    updated_at: timeOf(account.updatedAt),
  };
  const identity = { identity_id: id, id, user_id: id, identity_data: supabaseIdentity(account), provider: "email" };
  return {
    id,
    aud: supabaseRole,
    role: supabaseRole,
    email,
    email_confirmed_at: createdAt,
    phone: "",
    confirmed_at: createdAt,
    ...times,
    app_metadata: supabaseProviders,
    user_metadata: supabaseMetadata(account),
    identities: [{ ...identity, ...times, email }],
    is_anonymous: false,
  };
}

function timeOf(at: number): string {
  return new Date(at).toISOString();
}
