import { expect, test } from "vitest";
import { createPressure, crowd, pendingMax } from "../../src/http/pressure.ts";

const turnMaxMs = 100;

/** Turns of an event loop that this test makes. */
function openLoop(pending: () => number = () => 0) {
  let end = () => {};
  let now = 0;
  const isTooMuch = createPressure({
    turnMaxMs,
    pending,
    atTurnEnd: (given) => {
      end = given;
    },
  });
  return {
    /** Answers so many calls, each of which takes so long; tells of each whether it was too much. */
    turn(calls: number, eachMs: number): boolean[] {
      const told = Array.from({ length: calls }, () => {
        const isMore = isTooMuch(now);
        now += isMore ? 0 : eachMs;
        return isMore;
      });
      end();
      return told;
    },
  };
}

const many = 2 * crowd;
const refused = (told: readonly boolean[]) => told.filter(Boolean).length;

test("what waits in the second long turn is refused, once its time is over", () => {
  const loop = openLoop();
  expect(refused(loop.turn(many, 4))).toBe(0);
  // The first comes at 0 ms, so the 26th at 100 ms, which is not over it; a crowd is more than that.
  expect(loop.turn(many, 4).indexOf(true)).toBe(crowd);
  const told = loop.turn(1000, 1);
  expect(told.indexOf(true)).toBe(turnMaxMs + 1);
  expect(told.slice(turnMaxMs + 1).every(Boolean)).toBe(true);
});

test("one long turn alone refuses nothing", () => {
  const loop = openLoop();
  expect(refused(loop.turn(many, 10))).toBe(0);
  expect(refused(loop.turn(many, 1))).toBe(0);
  expect(refused(loop.turn(many, 10))).toBe(0);
});

test("turns that are long with few calls refuse nothing", () => {
  const loop = openLoop();
  for (let turn = 0; turn < 5; turn++) expect(refused(loop.turn(crowd, 1000))).toBe(0);
});

test("whatever comes is refused while too much waits for the database", () => {
  let pending = pendingMax - 1;
  const loop = openLoop(() => pending);
  expect(loop.turn(1, 0)).toEqual([false]);
  pending += 1;
  expect(loop.turn(2, 0)).toEqual([true, true]);
  pending -= 1;
  expect(loop.turn(1, 0)).toEqual([false]);
});
