import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { Health } from "../../src/core/health.ts";
import { movableClock } from "../contracts/movable-clock.ts";

/** Two backends, one of them needed, whose pings do what the test says. */
function opened() {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const clock = movableClock();
  const lines: object[] = [];
  const note = (fields: object, message: string) => void lines.push({ ...fields, message });
  const log = { debug: note, info: note, warn: note, error: note };
  const pings = { database: vi.fn(async () => {}), queue: vi.fn(async () => {}) };
  const backends = {
    database: { ping: pings.database, isNeeded: true },
    queue: { ping: pings.queue, isNeeded: false },
  };
  return { health: new Health({ backends, clock, log }), pings, clock, lines };
}

const refused = new Error("ECONNREFUSED 192.0.2.7:27017");

test("is ready as long as what it needs is up, and says what is not", async () => {
  const { health, pings, clock, lines } = opened();
  expect(await health.report()).toEqual({ status: "ok", isReady: true, backends: { database: true, queue: true } });
  pings.queue.mockRejectedValueOnce(refused);
  clock.advance(1000);
  const degraded = { status: "degraded", isReady: true, backends: { database: true, queue: false } };
  expect(await health.report()).toEqual(degraded);
  pings.database.mockRejectedValueOnce(refused);
  clock.advance(1000);
  const unavailable = { status: "unavailable", isReady: false, backends: { database: false, queue: true } };
  expect(await health.report()).toEqual(unavailable);
  clock.advance(1000);
  expect(await health.isReady()).toBe(true);
  expect(lines).toEqual([
    { backend: "queue", err: refused, message: "a backend is down" },
    { backend: "database", err: refused, message: "a backend is down" },
    { backend: "queue", message: "a backend is up again" },
    { backend: "database", message: "a backend is up again" },
  ]);
});

test("looks once a second, however many ask", async () => {
  const { health, pings, clock } = opened();
  const asked = () => Promise.all(Array.from({ length: 100 }, () => [health.isReady(), health.isUp("queue")]).flat());
  await asked();
  clock.advance(999);
  expect(new Set(await asked())).toEqual(new Set([true]));
  expect(pings.database).toHaveBeenCalledTimes(1);
  expect(pings.queue).toHaveBeenCalledTimes(1);
  clock.advance(1);
  await asked();
  expect(pings.database).toHaveBeenCalledTimes(2);
});

test("looks again when the clock is set back", async () => {
  const { health, pings, clock } = opened();
  expect(await health.isReady()).toBe(true);
  pings.database.mockRejectedValueOnce(refused);
  clock.advance(-3_600_000);
  expect(await health.isReady()).toBe(false);
});

test("waits a second for an answer, and never asks again while one hangs", async () => {
  const { health, pings, clock } = opened();
  const hanging = Promise.withResolvers<void>();
  pings.database.mockReturnValue(hanging.promise);
  for (let round = 0; round < 5; round += 1) {
    const answers = Promise.all([health.isReady(), health.isUp("database")]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await answers).toEqual([false, false]);
    clock.advance(1000);
  }
  expect(pings.database).toHaveBeenCalledTimes(1);
  // What nobody waits for any more is nobody's fault.
  hanging.reject(refused);
  await turn();
  pings.database.mockResolvedValue();
  expect(await health.isReady()).toBe(true);
  expect(pings.database).toHaveBeenCalledTimes(2);
});

test("is not ready once it stops, whatever is up", async () => {
  const { health } = opened();
  expect(await health.isReady()).toBe(true);
  health.markStopping();
  expect(await health.report()).toMatchObject({ status: "stopping", isReady: false, backends: { database: true } });
});

test("knows no other backend than its own", async () => {
  const { health } = opened();
  expect(health.backends).toEqual(["database", "queue"]);
  for (const name of ["", "Queue", "constructor"]) expect(await health.isUp(name)).toBe(false);
});
