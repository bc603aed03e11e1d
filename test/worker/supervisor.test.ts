import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { expect, onTestFinished, test, vi } from "vitest";
import { supervise } from "../../src/worker/supervisor.ts";
import { recordingLog } from "../support/log.ts";

const patience = { timeout: 20_000, interval: 20 };
const missing = () => spawn("/no/such/program");
const busy = () => spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);

function outOfMemory(): ChildProcess {
  throw Object.assign(new Error("spawn ENOMEM"), { code: "ENOMEM" });
}

test("what cannot be forked is forked again, and ends nothing else", async () => {
  const log = recordingLog();
  const forks = [missing, outOfMemory, busy];
  const children: ChildProcess[] = [];
  const fork = () => {
    const child = (forks.shift() ?? busy)();
    children.push(child);
    return child;
  };
  // There is nobody to be told of it.
  const supervisor = supervise(fork, log, () => ({ cert: "a certificate" }));
  supervisor.tellCertificate();
  await vi.waitFor(() => expect(children).toHaveLength(2), patience);
  const codes = log.lines.map(({ fields }) => (fields as { err?: NodeJS.ErrnoException }).err?.code);
  expect(codes).toEqual(["ENOENT", "ENOMEM"]);
  await supervisor.stop(5000);
  expect(children[1]?.exitCode ?? children[1]?.signalCode).toBe("SIGTERM");
});

test("a stop does not wait for what could not be forked", async () => {
  const log = recordingLog();
  const supervisor = supervise(missing, log);
  await vi.waitFor(() => expect(log.lines.length).toBeGreaterThan(0), patience);
  await supervisor.stop(60_000);
});

test("a stop while another child is to be started starts none", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const fork = vi.fn(() => Object.assign(new EventEmitter(), { kill: () => true }) as unknown as ChildProcess);
  const supervisor = supervise(fork, recordingLog());
  fork.mock.results[0]?.value.emit("exit", 1, null);
  await vi.advanceTimersByTimeAsync(0);
  await supervisor.stop(5000);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(fork).toHaveBeenCalledTimes(1);
});

test("a child that does not end by itself is ended once it has had its time", async () => {
  const log = recordingLog();
  const script = "process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1000)";
  const child = spawn(process.execPath, ["-e", script]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const supervisor = supervise(() => child, log);
  await once(child.stdout, "data");
  await supervisor.stop(50);
  expect(child.signalCode).toBe("SIGKILL");
  expect(log.lines).toEqual([]);
});

test("a child that keeps dying soon after its start is given longer and longer pauses, up to 30 s", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const children: EventEmitter[] = [];
  supervise(() => {
    const child = new EventEmitter();
    children.push(child);
    return child as ChildProcess;
  }, recordingLog());
  async function pauseAfter(livedMs: number): Promise<number> {
    await vi.advanceTimersByTimeAsync(livedMs);
    const [count, diedAt] = [children.length, performance.now()];
    children.at(-1)?.emit("exit", 1, null);
    await vi.advanceTimersByTimeAsync(0);
    await vi.advanceTimersToNextTimerAsync();
    expect(children).toHaveLength(count + 1);
    return performance.now() - diedAt;
  }
  const pauses: number[] = [];
  for (let death = 0; death < 8; death += 1) pauses.push(await pauseAfter(700));
  expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect([await pauseAfter(60_000), await pauseAfter(700)]).toEqual([500, 1000]);
});
