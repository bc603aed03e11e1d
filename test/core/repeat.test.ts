import { expect, onTestFinished, test, vi } from "vitest";
import { repeat } from "../../src/core/repeat.ts";
import { StoreUnavailable } from "../../src/ports/store-errors.ts";

test("a task runs again after its end, tells of faults but not of outages, and a stop waits for its last run", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const fault = new Error("a fault");
  const told: unknown[] = [];
  const last = Promise.withResolvers<void>();
  const runs = [() => Promise.reject(new StoreUnavailable()), () => Promise.reject(fault), () => last.promise];
  const task = vi.fn(async () => runs.shift()?.());
  const repeating = repeat(1000, task, (error) => void told.push(error));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told).toEqual([fault]);
  expect(task).toHaveBeenCalledTimes(3);
  const stop = vi.fn();
  const stopping = repeating.stop().then(stop);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stop).not.toHaveBeenCalled();
  last.resolve();
  await stopping;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(task).toHaveBeenCalledTimes(3);
});
