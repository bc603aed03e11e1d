import type { DailyUsage, UserDay } from "../model/usage.ts";

/** Users' requests of each day, counted by all servers together. Every method may reject when the engine cannot be reached. */
export interface UsageStore {
  /**
   * Adds to the day's count in one step, whoever else does at the same moment; false, and nothing added, where it would be
   * more than `limit` then.
   */
  add(day: UserDay, amount: number, limit: number): Promise<boolean>;
  get(id: string): Promise<DailyUsage | undefined>;
  /** Rejects with DuplicateKey when the id is taken. */
  insert(usage: DailyUsage): Promise<void>;
  /** The user's from this date on, the newest first. */
  list(userId: string, from: string): Promise<DailyUsage[]>;
  /** Deletes the user's, at most `limit`; how many it deleted. */
  deleteByUser(userId: string, limit: number): Promise<number>;
  /** Deletes those of earlier dates, the oldest first, at most `limit`; how many it deleted. */
  deleteBefore(date: string, limit: number): Promise<number>;
}
