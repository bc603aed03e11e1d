import { type Account, nameKey } from "./account.ts";
import { utf8Length } from "./text.ts";

/** The role of every signed-in user. */
export const supabaseRole = "authenticated";
/** The one way to sign in. */
export const supabaseProviders = { provider: "email", providers: ["email"] } as const;

/** The metadata's bytes as JSON in a token, which must fit into a header. */
const metadataMaxBytes = 2048;

/** The address as GoTrue tells it. */
export function supabaseEmail({ email }: Account): string {
  return nameKey(email ?? "");
}

/** What Supabase's callers read of an account's one way to sign in. */
export function supabaseIdentity(account: Account) {
  return { email: supabaseEmail(account), email_verified: true, phone_verified: false, sub: account.id };
}

/** The account's metadata as Supabase's callers read it. */
export function supabaseMetadata(account: Account): Readonly<Record<string, unknown>> {
  const identity = supabaseIdentity(account);
  return { ...identity, ...account.metadata, ...identity };
}

/** The metadata for a token; the account's own is left out when it is too long. */
export function supabaseTokenMetadata(account: Account): Readonly<Record<string, unknown>> {
  const isShort = utf8Length(JSON.stringify(account.metadata)) <= metadataMaxBytes;
  return isShort ? supabaseMetadata(account) : supabaseIdentity(account);
}
