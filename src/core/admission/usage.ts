import { isAdmin } from "../../model/access.ts";
import { DomainError, invalidField, notAllowed } from "../../model/errors.ts";
import type { Owner, UserPrincipal } from "../../model/principal.ts";
import { type DailyUsage, dateOf, firstDate, restOfDayMs, type UserDay, usageId } from "../../model/usage.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { UsageStore } from "../../ports/usage-store.ts";
import type { AccountRecords } from "../accounts/account-records.ts";
import { inBatches } from "../delete-all.ts";
import { type Repeating, repeat } from "../repeat.ts";

const writeEveryMs = 1000;

interface UsageDeps {
  readonly usage: UsageStore;
  readonly accountRecords: AccountRecords;
  /** Metered requests that a user has in a day; undefined for any number. */
  readonly dailyRequests: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

interface Gathered {
  readonly day: UserDay;
  readonly amount: number;
}

/**
 * Counts users' metered requests by the day. A daily quota is checked in the store at each request, so it is exact over
 * all servers. Without a quota no request waits: counts are gathered, and written once a second.
 */
export class Usage {
  readonly #deps: UsageDeps;
  readonly #gathered = new Map<string, Gathered>();
  #writing: Promise<unknown> = Promise.resolve();
  #task: Repeating | undefined;

  constructor(deps: UsageDeps) {
    this.#deps = deps;
  }

  start(): void {
    const onError = (error: unknown) => this.#deps.log.warn({ err: error }, "requests could not be counted");
    this.#task = repeat(writeEveryMs, () => this.#write(), onError);
  }

  async stop(): Promise<void> {
    await this.#task?.stop();
    await this.#write();
  }

  /** The most that `count` lets through in a day; undefined for any number. */
  get dailyRequests(): number | undefined {
    return this.#deps.dailyRequests;
  }

  /** Rejects with `resource_exhausted`, and counts nothing, when the day's quota is used up. */
  async count({ account: { id: userId, email } }: UserPrincipal): Promise<void> {
    const { usage, dailyRequests, clock } = this.#deps;
    const now = clock();
    const day = { userId, email, date: dateOf(now) };
    if (dailyRequests === undefined) this.#gather(day);
    else if (!(await usage.add(day, 1, dailyRequests))) throw usedUp(dailyRequests, now);
  }

  /** Lists the newest day first: the caller's own days without a `userId`; another user's for administrators only. */
  async list(by: Owner, wanted: { userId: string; days: number }): Promise<readonly DailyUsage[]> {
    const from = firstDate(wanted.days, this.#deps.clock());
    const userId = await this.#whose(by, wanted.userId);
    await this.#write();
    return this.#deps.usage.list(userId, from);
  }

  /** Deletes all that was counted of a user. */
  async deleteOf(userId: string): Promise<void> {
    await this.#write();
    await inBatches((limit) => this.#deps.usage.deleteByUser(userId, limit));
  }

  async #whose(by: Owner, userId: string): Promise<string> {
    const own = by.kind === "user" ? by.account.id : "";
    if (userId === "" && own === "") throw invalidField("user_id", "must be given: a client has no usage");
    if (userId === "" || userId === own) return own;
    if (!isAdmin(by)) throw notAllowed();
    return (await this.#deps.accountRecords.get(userId)).id;
  }

  #gather(day: UserDay): void {
    const id = usageId(day);
    this.#gathered.set(id, { day, amount: (this.#gathered.get(id)?.amount ?? 0) + 1 });
  }

  /** Counts that cannot be written are lost: no request waits for them. */
  async #write(): Promise<void> {
    const { usage } = this.#deps;
    const gathered = [...this.#gathered.values()];
    this.#gathered.clear();
    const added = gathered.map(({ day, amount }) => usage.add(day, amount, Number.MAX_SAFE_INTEGER));
    const before = this.#writing;
    this.#writing = Promise.allSettled([before, ...added]);
    await before;
    await Promise.all(added);
  }
}

function usedUp(dailyRequests: number, now: number): DomainError {
  const message = `the day's ${dailyRequests} requests are used up: there are as many again from midnight on, UTC`;
  return new DomainError("resource_exhausted", "DAILY_QUOTA", message, { retryAfterMs: restOfDayMs(now) });
}
