import { dayMs, hourMs, minuteMs } from "./time.ts";
/** The API by which somebody signed in: its callers expect that system's lifetimes and token claims. */
export type Surface = "own" | "supabase" | "pocketbase";

/** PocketBase's id of its collection of users. */
export const usersCollectionId = "_pb_users_auth_";

interface Terms {
  /** How long after its start a session may set a password without the old one. */
  readonly freshMs: number;
  /** How long an access token lives. */
  readonly accessMs: number;
  /** How long the session lives unless it is refreshed. */
  readonly idleMs: number;
  /** How long it lives, used or not. */
  readonly lifeMs: number;
  /**
   * Whether an access token is enough to extend the session, and to delete the account: the API's callers send no
   * refresh token or password.
   */
  readonly isAccessEnough: boolean;
}

export const termsOf: Readonly<Record<Surface, Terms>> = {
  own: { freshMs: 0, accessMs: 15 * minuteMs, idleMs: 7 * dayMs, lifeMs: 30 * dayMs, isAccessEnough: false },
  supabase: { freshMs: dayMs, accessMs: hourMs, idleMs: 7 * dayMs, lifeMs: 30 * dayMs, isAccessEnough: false },
  // Its front ends do not refresh by themselves, and expect to stay signed in for as long as they come back.
  pocketbase: { freshMs: 0, accessMs: 14 * dayMs, idleMs: 14 * dayMs, lifeMs: 365 * dayMs, isAccessEnough: true },
};
