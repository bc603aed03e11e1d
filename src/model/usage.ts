import type { Operation } from "./access.ts";
import { checkFields } from "./errors.ts";
import { integerRule } from "./text.ts";
import { dayMs } from "./time.ts";

/** A user's day, in UTC. */
export interface UserDay {
  readonly userId: string;
  /** The account's email at the day's first request. */
  readonly email: string | null;
  /** `YYYY-MM-DD`. */
  readonly date: string;
}

/** How many metered requests a user made on it. */
export interface DailyUsage extends UserDay {
  /** The user's id and the date. */
  readonly id: string;
  readonly count: number;
}

/** How long a day's count is kept. */
export const keepUsageMs = 400 * dayMs;
/** The most that a day's quota can be. */
export const dailyRequestsMax = 1_000_000;
const daysDefault = 30;
const daysMax = 90;

/** The calls that cause work and are counted, as is every route that is limited as one of them. */
const metered: ReadonlySet<string> = new Set<Operation>([
  "darkroom.imagejob.v1.ImageJobService/SubmitImageJob",
  "POST /upload",
  "POST /v1/chat",
]);

export function isMetered(operation: string): boolean {
  return metered.has(operation);
}

export function usageId({ userId, date }: Pick<UserDay, "userId" | "date">): string {
  return `${userId}/${date}`;
}

export function dateOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** Milliseconds until the end of the day, UTC. */
export function restOfDayMs(time: number): number {
  return dayMs - (time % dayMs);
}

/** The first of so many days that end with today's. */
export function firstDate(days: number, now: number): string {
  checkFields({ days: () => integerRule(days, 0, daysMax) });
  return dateOf(now - ((days || daysDefault) - 1) * dayMs);
}
