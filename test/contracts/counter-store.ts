import { describe, expect, test } from "vitest";
import { clockSkewMs } from "../../src/ports/clock.ts";
import type { CounterStore } from "../../src/ports/counter-store.ts";
import type { Opened } from "./opened.ts";
import { atOnce, sampleTime } from "./samples.ts";

const minute = 60_000;

export function counterStoreContract(name: string, open: () => Promise<Opened<CounterStore>>): void {
  describe(`the counter store: ${name}`, () => {
    test("counts in a window that begins with the first call", async () => {
      const { store, another } = await open();
      const other = await another();
      expect(await store.add("a", 2, sampleTime, minute)).toEqual({ id: "a", count: 2, startedAt: sampleTime });
      const last = sampleTime + minute - 1;
      expect(await other.add("a", 3, last, minute)).toEqual({ id: "a", count: 5, startedAt: sampleTime });
      expect(await store.add("b", 1, last, minute)).toEqual({ id: "b", count: 1, startedAt: last });
      const next = sampleTime + minute;
      expect(await other.add("a", 4, next, minute)).toEqual({ id: "a", count: 4, startedAt: next });
    });

    test("counts for a clock that is behind in the window that there is", async () => {
      const { store } = await open();
      await store.add("a", 1, sampleTime, minute);
      expect(await store.add("a", 1, sampleTime - 5000, minute)).toEqual({ id: "a", count: 2, startedAt: sampleTime });
    });

    test("counts anew when the window begins further ahead than clocks are apart: one was set back", async () => {
      const { store, another } = await open();
      const other = await another();
      const ahead = sampleTime + clockSkewMs;
      await store.add("a", 1, ahead, minute);
      expect(await store.add("a", 1, sampleTime, minute)).toEqual({ id: "a", count: 2, startedAt: ahead });
      const back = sampleTime - 1;
      expect(await other.add("a", 3, back, minute)).toEqual({ id: "a", count: 3, startedAt: back });
      expect(await store.add("a", 1, sampleTime, minute)).toEqual({ id: "a", count: 4, startedAt: back });
    });

    test("takes back what was counted", async () => {
      const { store, another } = await open();
      await store.add("a", 3, sampleTime, minute);
      expect((await (await another()).add("a", -1, sampleTime, minute)).count).toBe(2);
    });

    test("loses none of 100 additions at once, in a new window and in an old one", async () => {
      const { store, another } = await open();
      const stores = [store, await another()] as const;
      for (const now of [sampleTime, sampleTime + 1, sampleTime + minute]) {
        const counters = await atOnce(100, (index) => stores[index % 2 === 0 ? 0 : 1].add("a", 1, now, minute));
        const before = now === sampleTime + 1 ? 100 : 0;
        const counts = counters.map(({ count }) => count - before).sort((a, b) => a - b);
        expect(counts).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
      }
    });

    test("deletes those that are too old", async () => {
      const { store } = await open();
      for (const age of [1, 2, 3]) await store.add(`of ${age}`, 1, sampleTime - age, minute);
      expect(await store.deleteBefore(sampleTime - 1, 1)).toBe(1);
      expect(await store.deleteBefore(sampleTime - 1, 9)).toBe(1);
      expect((await store.add("of 1", 1, sampleTime, minute)).count).toBe(2);
      expect((await store.add("of 3", 1, sampleTime, minute)).count).toBe(1);
    });
  });
}
