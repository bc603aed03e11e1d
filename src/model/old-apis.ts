/** The systems whose callers moved over; each one's routes can be left out. */
export const oldApis = ["pocketbase", "supabase", "relay", "sessions", "template"] as const;
export type OldApi = (typeof oldApis)[number];
