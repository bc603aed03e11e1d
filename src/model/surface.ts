/** By whose API somebody signed in: its callers expect that system's lifetimes, and tokens that say what its tokens say. */
export type Surface = "own" | "supabase" | "pocketbase";

/** PocketBase's id of its collection of users. */
export const usersCollectionId = "_pb_users_auth_";

interface Terms {
  /** How long after it began a session may set a password without the one before. */
  readonly freshMs: number;
  /** How long an access token lives. */
  readonly accessMs: number;
  /** How long the session lives unless it is refreshed. */
  readonly idleMs: number;
  /** How long it lives, used or not. */
  readonly lifeMs: number;
  /** Whether an access token is enough to go on, and to delete the account: its callers send no refresh token or password. */
  readonly isAccessEnough: boolean;
}

const minute = 60_000;
const day = 24 * 60 * minute;

export const termsOf: Readonly<Record<Surface, Terms>> = {
  own: { freshMs: 0, accessMs: 15 * minute, idleMs: 7 * day, lifeMs: 30 * day, isAccessEnough: false },
  supabase: { freshMs: day, accessMs: 60 * minute, idleMs: 7 * day, lifeMs: 30 * day, isAccessEnough: false },
  // Its front ends do not refresh by themselves, and expect to stay signed in for as long as they come back.
  pocketbase: { freshMs: 0, accessMs: 14 * day, idleMs: 14 * day, lifeMs: 365 * day, isAccessEnough: true },
};
