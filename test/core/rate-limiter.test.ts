import fc from "fast-check";
import { expect, test } from "vitest";
import { sqliteCounterStore } from "../../src/adapters/sqlite/counter-store.ts";
import { RateLimiter } from "../../src/core/admission/rate-limiter.ts";
import { createLog } from "../../src/log/log.ts";
import type { Quota } from "../../src/model/rate-limits.ts";
import type { CounterStore } from "../../src/ports/counter-store.ts";
import { StoreUnavailable } from "../../src/ports/store-errors.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { recordingLog } from "../support/log.ts";

const log = createLog("silent");

function quotaOf(count: number, key = "somebody"): Quota {
  return { name: "user", limit: { count, windowMs: 60_000 }, key, policy: "" };
}

/** Several servers' limiters on one store, whose additions are counted. */
async function opened(servers: number) {
  const store = sqliteCounterStore((await openDatabase()).db);
  const clock = movableClock();
  const state = { additions: 0, away: false };
  const counters: CounterStore = {
    ...store,
    async add(...args) {
      state.additions += 1;
      if (state.away) throw new StoreUnavailable("away");
      return store.add(...args);
    },
  };
  const limiters = Array.from({ length: servers }, () => new RateLimiter({ counters, clock, log }));
  const count = (index: number, quota: Quota) => (limiters[index % servers] as RateLimiter).count(quota);
  return { clock, state, count };
}

async function admitted(calls: ({ isOver: boolean } | Promise<{ isOver: boolean }>)[]): Promise<number> {
  return (await Promise.all(calls)).filter(({ isOver }) => !isOver).length;
}

test("lets exactly as many through as the limit says, one by one and at once", async () => {
  const { count } = await opened(1);
  for (const max of [1, 10, 100, 333]) {
    const one = quotaOf(max, `one by one ${max}`);
    let passed = 0;
    for (let index = 0; index < max + 5; index++) if (!(await count(0, one)).isOver) passed += 1;
    expect(passed).toBe(max);
    const many = quotaOf(max, `at once ${max}`);
    expect(await admitted(Array.from({ length: max * 2 }, () => count(0, many)))).toBe(max);
  }
});

test("counts on where another server's clock is ahead", async () => {
  const store = sqliteCounterStore((await openDatabase()).db);
  const [clock, ahead] = [movableClock(), movableClock()];
  ahead.advance(20_000);
  const quota = quotaOf(100);
  await new RateLimiter({ counters: store, clock: ahead, log }).count({
    ...quota,
    limit: { ...quota.limit, count: 1 },
  });
  const limiter = new RateLimiter({ counters: store, clock, log });
  let passed = 0;
  for (let calls = 0; calls < 500; calls++) if (!(await limiter.count(quota)).isOver) passed += 1;
  expect(passed).toBeLessThanOrEqual(100);
});

test("tells what is left, and when the window ends", async () => {
  const { count, clock } = await opened(1);
  expect(await count(0, quotaOf(2))).toMatchObject({ isOver: false, remaining: 1, resetMs: 60_000 });
  clock.advance(20_000);
  expect(await count(0, quotaOf(2))).toMatchObject({ isOver: false, remaining: 0, resetMs: 40_000 });
  expect(await count(0, quotaOf(2))).toMatchObject({ isOver: true, remaining: 0, resetMs: 40_000 });
  clock.advance(40_000);
  expect(await count(0, quotaOf(2))).toMatchObject({ isOver: false, remaining: 1, resetMs: 60_000 });
});

test("overshoots by a tenth at most on ten servers, whoever is called in whatever order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 700, maxLength: 700 }),
      fc.integer({ min: 1, max: 50 }),
      async (max, order, together) => {
        const { count } = await opened(10);
        let passed = 0;
        for (let from = 0; from < order.length; from += together)
          passed += await admitted(order.slice(from, from + together).map((server) => count(server, quotaOf(max))));
        expect(passed).toBeGreaterThanOrEqual(max);
        expect(passed).toBeLessThanOrEqual(max * 1.1);
      },
    ),
    { numRuns: 15 },
  );
});

test("asks the store seldom, and not at all for one who is over", async () => {
  const { count, state } = await opened(1);
  for (let index = 0; index < 1000; index++) await count(0, quotaOf(1000));
  expect(state.additions).toBeLessThan(120);
  const before = state.additions;
  expect(await admitted(Array.from({ length: 100 }, () => count(0, quotaOf(1000))))).toBe(0);
  expect(state.additions).toBe(before);
});

test("counts alone while the store is away, and together again afterwards", async () => {
  const { count, state } = await opened(2);
  for (let index = 0; index < 4; index++) await count(index, quotaOf(10));
  state.away = true;
  const alone = await Promise.all(Array.from({ length: 40 }, (_, index) => count(index, quotaOf(10))));
  expect(alone.filter(({ isOver }) => !isOver).length).toBeLessThanOrEqual(16);
  state.away = false;
  // What was counted alone is known here alone.
  expect((await count(0, quotaOf(10))).isOver).toBe(true);
  const other = quotaOf(10, "another");
  expect(await admitted(Array.from({ length: 40 }, (_, index) => count(index, other)))).toBe(10);
});

test("says once that it counts alone, however many callers come while the store is away", async () => {
  const told = recordingLog();
  const counters: CounterStore = { add: () => Promise.reject(new StoreUnavailable()), deleteBefore: async () => 0 };
  const limiter = new RateLimiter({ counters, clock: movableClock(), log: told });
  for (const key of ["a", "b", "c"]) await limiter.count(quotaOf(10, key));
  expect(told.lines.map(({ message }) => message)).toEqual(["calls are counted by this server alone"]);
});
