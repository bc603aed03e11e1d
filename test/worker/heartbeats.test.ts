import { expect, onTestFinished, test, vi } from "vitest";
import { Heartbeats } from "../../src/worker/heartbeats.ts";

test("a heartbeat that hangs is given up for the next one, and refuses nothing", async () => {
  const refused = vi.fn();
  const send = vi.fn((_: number, signal: AbortSignal) => {
    if (send.mock.calls.length > 1) return Promise.resolve();
    return new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  const heartbeats = new Heartbeats(400, send, refused);
  onTestFinished(() => heartbeats.stop());
  await vi.waitFor(() => expect(send.mock.calls.length).toBeGreaterThan(2), { timeout: 20_000 });
  expect(send.mock.calls[0]?.[1].aborted).toBe(true);
  expect(refused).not.toHaveBeenCalled();
});

test("one heartbeat is under way at a time, with the most that was reported", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const answers: (() => void)[] = [];
  const send = vi.fn((_: number) => new Promise<void>((resolve) => answers.push(resolve)));
  const heartbeats = new Heartbeats(400_000, send, () => {});
  const told = () => send.mock.calls.map(([progress]) => progress);
  heartbeats.report(0.5);
  heartbeats.report(0.2);
  await vi.advanceTimersByTimeAsync(100);
  heartbeats.report(0.7);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told()).toEqual([0.5]);
  answers[0]?.();
  await vi.advanceTimersByTimeAsync(100);
  answers[1]?.();
  heartbeats.report(7);
  await vi.advanceTimersByTimeAsync(200);
  expect(told()).toEqual([0.5, 0.7, 1]);
  answers[2]?.();
  await heartbeats.stop();
});
