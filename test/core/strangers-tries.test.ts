import { expect, onTestFinished, test, vi } from "vitest";
import { StrangersTries } from "../../src/core/strangers-tries.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { recordingLog } from "../support/log.ts";

test("the log tells once a minute how many tries were left out", () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const log = recordingLog();
  const tries = new StrangersTries({ clock: movableClock(), log });
  const keptOf = (address: string, subject: string) =>
    Array.from({ length: 30 }, () => tries.isToBeKept(address, subject)).filter(Boolean).length;
  expect([keptOf("192.0.2.1", ""), keptOf("192.0.2.2", ""), keptOf("192.0.2.1", "user:1")]).toEqual([20, 20, 20]);
  // One caller has a whole /64.
  expect([keptOf("2001:db8::1", ""), keptOf("2001:db8::2", "")]).toEqual([20, 0]);
  vi.advanceTimersByTime(59_999);
  expect(log.lines).toEqual([]);
  vi.advanceTimersByTime(60_001);
  const left = { level: "warn", fields: { events: 70 }, message: "refused tries were left out of the audit trail" };
  expect(log.lines).toEqual([left]);
  tries.isToBeKept("192.0.2.1", "");
  vi.advanceTimersByTime(60_000);
  expect(log.lines).toEqual([left, { ...left, fields: { events: 1 } }]);
});
