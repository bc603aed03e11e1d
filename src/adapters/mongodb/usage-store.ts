import { type DailyUsage, usageId } from "../../model/usage.ts";
import type { UsageStore } from "../../ports/usage-store.ts";
import type { Database } from "./database.ts";
import { atLeast, atMost, before, is, Records } from "./records.ts";

const newestFirst = { date: -1 } as const;

export function mongodbUsageStore(db: Database): UsageStore {
  const all = new Records<DailyUsage>(db, "user_daily_usage");

  return {
    async add(day, amount, limit) {
      if (amount > limit) return false;
      const id = usageId(day);
      const increase = () => all.increase({ _id: is(id), count: atMost(limit - amount) }, "count", amount);
      if ((await increase()) !== undefined) return true;
      // The day's count does not exist, or is full, or another call begins it now.
      return (await all.insertNew({ id, ...day, count: amount })) || (await increase()) !== undefined;
    },
    get: (id) => all.get(id),
    insert: (usage) => all.insert(usage),
    list: (userId, from) => all.find({ userId: is(userId), date: atLeast(from) }, { sort: newestFirst }),
    deleteByUser: (userId, limit) => all.deleteFirst({ userId: is(userId) }, { sort: newestFirst, limit }),
    deleteBefore: (date, limit) => all.deleteFirst({ date: before(date) }, { sort: { date: 1 }, limit }),
  };
}
