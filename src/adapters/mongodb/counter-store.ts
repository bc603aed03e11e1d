import type { Counter, CounterStore } from "../../ports/counter-store.ts";
import type { Database } from "./database.ts";
import { after, atMost, before, is, Records } from "./records.ts";

export function mongodbCounterStore(db: Database): CounterStore {
  const all = new Records<Counter>(db, "counters");

  async function begin(counter: Counter, windowMs: number): Promise<boolean> {
    const isOver = await all.replace(counter, { startedAt: atMost(counter.startedAt - windowMs) });
    return isOver || all.insertNew(counter);
  }

  return {
    async add(id, amount, now, windowMs) {
      const fresh: Counter = { id, count: amount, startedAt: now };
      for (;;) {
        const running = await all.increase({ _id: is(id), startedAt: after(now - windowMs) }, "count", amount);
        if (running !== undefined) return running;
        // Who began it meanwhile began a window that this one is counted in.
        if (await begin(fresh, windowMs)) return fresh;
      }
    },
    deleteBefore: (startedAt, limit) =>
      all.deleteFirst({ startedAt: before(startedAt) }, { sort: { startedAt: 1 }, limit }),
  };
}
