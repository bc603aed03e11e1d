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

/** Goes on as the machine's does, from where it is moved to. */
export function runningClock(apartMs = 0): MovableClock {
  let apart = apartMs;
  return Object.assign(() => Date.now() + apart, {
    advance(ms: number) {
      apart += ms;
    },
  });
}
