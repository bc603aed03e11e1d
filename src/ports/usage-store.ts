import type { DailyUsage, UserDay } from "../model/usage.ts";

/** Users' requests of each day, counted by all servers together. Every method may reject when the engine cannot be reached. */
export interface UsageStore {
  /** Adds to the day's count in one atomic step; false, and nothing added, where that would exceed `limit`. */
  add(day: UserDay, amount: number, limit: number): Promise<boolean>;
  get(id: string): Promise<DailyUsage | undefined>;
  /** Rejects with DuplicateKey when the id is taken. */
  insert(usage: DailyUsage): Promise<void>;
  /** The user's days from this date on, the newest first. */
  list(userId: string, from: string): Promise<DailyUsage[]>;
  /** Deletes the user's days, at most `limit`; resolves to their number. */
  deleteByUser(userId: string, limit: number): Promise<number>;
  /** Deletes days before this date, the oldest first, at most `limit`; resolves to their number. */
  deleteBefore(date: string, limit: number): Promise<number>;
}
