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
