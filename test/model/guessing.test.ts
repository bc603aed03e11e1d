import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  counted,
  forgiven,
  holdMs,
  memoryMs,
  type SignInAttempts,
  takenBack,
  waitMs,
} from "../../src/model/guessing.ts";

const start = 1_000_000_000_000;
const minute = 60_000;

/** So many tries from one address, each as soon as it may be made; and the time of the last. */
function fail(
  times: number,
  address: string,
  from?: SignInAttempts,
  at = start,
): { attempts: SignInAttempts; now: number } {
  let attempts = from;
  let now = at;
  for (let left = times; left > 0; left--) {
    now += waitMs(attempts, address, now);
    attempts = counted(attempts, "account", address, now);
  }
  if (attempts === undefined) throw new Error("no tries");
  return { attempts, now };
}

describe("failed tries from one address", () => {
  test.each([
    [1, 0],
    [4, 0],
    [5, 1000],
    [6, 2000],
    [9, 16_000],
    [10, 15 * minute],
    [11, 15 * minute],
    [40, 15 * minute],
  ])("after %d of them the next waits %d ms", (times, wait) => {
    const { attempts, now } = fail(times, "a");
    expect(waitMs(attempts, "a", now)).toBe(wait);
    expect(waitMs(attempts, "a", now + wait)).toBe(0);
    if (wait > 0) expect(waitMs(attempts, "a", now + wait - 1)).toBe(1);
  });

  test("hold others for two seconds and refuse none, however many addresses compete for every moment", () => {
    let state = fail(1, "a0");
    for (let address = 1; address < 300; address++) {
      expect(holdMs(state.attempts)).toBe(state.attempts.failures >= 20 ? 2000 : 0);
      expect(waitMs(state.attempts, "owner", state.now)).toBe(0);
      state = fail(1, `a${address}`, state.attempts, state.now);
    }
    expect(state.attempts.addresses.length).toBeLessThanOrEqual(100);
  });

  test("that were not made are taken back one by one, and clear no others", () => {
    const { attempts, now } = fail(7, "a", fail(2, "b").attempts);
    const left = takenBack(attempts, "a");
    expect(left).toMatchObject({ failures: 8, version: attempts.version + 1 });
    expect(left.addresses.map(({ failures }) => failures)).toEqual([2, 6]);
    expect(waitMs(left, "a", now)).toBe(2000);
  });

  test("wait no longer by a clock that is behind", () => {
    for (const times of [1, 4, 5, 10]) {
      const { attempts, now } = fail(times, "a");
      expect(waitMs(attempts, "a", now - 30_000)).toBe(waitMs(attempts, "a", now));
    }
  });

  test("are forgotten by a clock that was set back since", () => {
    const { attempts, now } = fail(10, "a");
    const back = now - minute - 1;
    expect(waitMs(attempts, "a", back)).toBe(0);
    expect(counted(attempts, "account", "a", back)).toMatchObject({ failures: 1, addresses: [{ failures: 1 }] });
  });

  test("are forgotten after a quiet hour", () => {
    const { attempts, now } = fail(10, "a");
    const next = counted(attempts, "account", "a", now + memoryMs);
    expect(next).toMatchObject({ failures: 1, addresses: [{ failures: 1 }] });
  });

  test("are forgotten after a quiet hour there, though others go on failing elsewhere", () => {
    const { attempts, now } = fail(9, "a");
    const others = counted(attempts, "account", "b", now + memoryMs - 1);
    const next = counted(others, "account", "a", now + memoryMs);
    expect(waitMs(next, "a", now + memoryMs)).toBe(0);
  });

  test("lock nobody again by one that could not be made when the lock had passed", () => {
    const { attempts, now } = fail(10, "a");
    const later = now + 15 * minute;
    const left = takenBack(counted(attempts, "account", "a", later), "a");
    expect(waitMs(left, "a", later)).toBe(16_000);
  });

  test("are forgiven where a try succeeds, and count on elsewhere", () => {
    const { attempts, now } = fail(7, "b", fail(8, "a").attempts);
    const left = forgiven(attempts, "b");
    expect(left).toMatchObject({
      failures: 8,
      addresses: [{ address: "a", failures: 8 }],
      version: attempts.version + 1,
    });
    expect(waitMs(left, "b", now)).toBe(0);
  });
});

test("no order of tries makes more than 10 in 15 minutes from one address", () => {
  const tries = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 120_000 }), address: fc.constantFrom("a", "b") }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(tries, (wanted) => {
      let attempts: SignInAttempts | undefined;
      let now = start;
      const made: number[] = [];
      for (const { gap, address } of wanted) {
        now += gap;
        if (waitMs(attempts, address, now) > 0) continue;
        attempts = counted(attempts, "account", address, now);
        if (address === "a") made.push(now);
      }
      for (const at of made)
        expect(made.filter((other) => other > at - 15 * minute && other <= at).length).toBeLessThanOrEqual(10);
    }),
  );
});
