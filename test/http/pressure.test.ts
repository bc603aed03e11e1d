import { expect, test } from "vitest";
import { createPressure, crowd, pendingMax } from "../../src/http/overload/pressure.ts";

const waitMaxMs = 100;

/** A queue that this test makes. */
function openQueue(pending: () => number = () => 0) {
  let end = () => {};
  let now = 0;
  const isTooMuch = createPressure({
    waitMaxMs,
    pending,
    behindAll: (given) => {
      end = given;
    },
  });
  return {
    /** Answers so many calls, each of which takes so long; tells of each whether it was too much. */
    wait(calls: number, eachMs: number): boolean[] {
      const told = Array.from({ length: calls }, () => {
        const isMore = isTooMuch(now);
        now += isMore ? 0 : eachMs;
        return isMore;
      });
      end();
      now += 10;
      return told;
    },
    rest(ms: number): void {
      now += ms;
    },
  };
}

const many = 2 * crowd;
const refused = (told: readonly boolean[]) => told.filter(Boolean).length;

test("what waits before the second long wait ends is refused, once its time is over", () => {
  const queue = openQueue();
  expect(refused(queue.wait(many, 4))).toBe(0);
  // The first comes at 0 ms, so the 26th at 100 ms, which is not over it; a crowd is more than that.
  expect(queue.wait(many, 4).indexOf(true)).toBe(crowd);
  const told = queue.wait(1000, 1);
  expect(told.indexOf(true)).toBe(waitMaxMs + 1);
  expect(told.slice(waitMaxMs + 1).every(Boolean)).toBe(true);
});

test("one long wait alone refuses nothing", () => {
  const queue = openQueue();
  expect(refused(queue.wait(many, 10))).toBe(0);
  expect(refused(queue.wait(many, 1))).toBe(0);
  expect(refused(queue.wait(many, 10))).toBe(0);
});

test("a long wait is forgotten", () => {
  const queue = openQueue();
  queue.wait(many, 4);
  queue.rest(10 * waitMaxMs);
  expect(refused(queue.wait(many, 4))).toBe(0);
  expect(refused(queue.wait(many, 4))).toBeGreaterThan(0);
});

test("waits that are long with few calls refuse nothing", () => {
  const queue = openQueue();
  for (let wait = 0; wait < 5; wait++) expect(refused(queue.wait(crowd, 1000))).toBe(0);
});

test("whatever comes is refused while too much waits for the database", () => {
  let pending = pendingMax - 1;
  const queue = openQueue(() => pending);
  expect(queue.wait(1, 0)).toEqual([false]);
  pending += 1;
  expect(queue.wait(2, 0)).toEqual([true, true]);
  pending -= 1;
  expect(queue.wait(1, 0)).toEqual([false]);
});
