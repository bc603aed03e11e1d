import type { Clock } from "../../src/ports/clock.ts";

export interface MovableClock extends Clock {
  advance(ms: number): void;
}

/** Stands still until it is moved. */
export function movableClock(start = Date.UTC(2026, 1, 3, 4, 5, 6, 789)): MovableClock {
  let now = start;
  return Object.assign(() => now, {
    advance(ms: number) {
      now += ms;
    },
  });
}
