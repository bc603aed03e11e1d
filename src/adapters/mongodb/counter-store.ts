import { clockSkewMs } from "../../ports/clock.ts";
import type { Counter, CounterStore } from "../../ports/counter-store.ts";
import type { Database } from "./database.ts";
import { after, atMost, before, between, is, Records } from "./records.ts";

export function mongodbCounterStore(db: Database): CounterStore {
  const all = new Records<Counter>(db, "counters");

  async function begin(counter: Counter, windowMs: number): Promise<boolean> {
    const now = counter.startedAt;
    if (await all.replace(counter, { startedAt: atMost(now - windowMs) })) return true;
    return (await all.insertNew(counter)) || all.replace(counter, { startedAt: after(now + clockSkewMs) });
  }

  return {
    async add(id, amount, now, windowMs) {
      const fresh: Counter = { id, count: amount, startedAt: now };
      // Times are whole milliseconds.
      const isRunning = between(now - windowMs + 1, now + clockSkewMs + 1);
      for (;;) {
        const running = await all.increase({ _id: is(id), startedAt: isRunning }, "count", amount);
        if (running !== undefined) return running;
        // If another call has begun a window meanwhile, this one is counted in it.
        if (await begin(fresh, windowMs)) return fresh;
      }
    },
    deleteBefore: (startedAt, limit) =>
      all.deleteFirst({ startedAt: before(startedAt) }, { sort: { startedAt: 1 }, limit }),
  };
}
