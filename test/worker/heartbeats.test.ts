import { Code, ConnectError } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import { openQueues } from "../../src/app/backends.ts";
import { decodeResult, encodeJob } from "../../src/model/queue-messages.ts";
import type { Engine } from "../../src/worker/engine.ts";
import { Heartbeats } from "../../src/worker/heartbeats.ts";
import type { JobApi } from "../../src/worker/job-api.ts";
import { takeJobs } from "../../src/worker/worker.ts";
import { receive } from "../contracts/receiver.ts";
import { sampleJob } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";
import { scratchDirectory } from "../support/scratch.ts";

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
  heartbeats.stop();
});

test("a lease is kept where no progress is made, until the server refuses it", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const refusal = new ConnectError("it is another's", Code.FailedPrecondition);
  const send = vi.fn(async () => {});
  const refused = vi.fn();
  const heartbeats = new Heartbeats(8000, send, refused);
  await vi.advanceTimersByTimeAsync(8000);
  expect(send.mock.calls.length).toBeGreaterThan(2);
  expect(refused).not.toHaveBeenCalled();
  send.mockRejectedValue(refusal);
  await vi.advanceTimersByTimeAsync(4000);
  expect(refused).toHaveBeenCalledWith(refusal);
  heartbeats.stop();
});

test("a worker that is done does not wait for a heartbeat that hangs", async () => {
  const log = recordingLog();
  const queues = await openQueues({ dataDir: scratchDirectory(), serviceBus: undefined }, Date.now, log);
  onTestFinished(() => queues.close());
  const beating = Promise.withResolvers<void>();
  const server = {
    picture: async () => new Uint8Array(),
    claim: async () => ({ attempt: 1, token: "token", leaseMs: 60 * 60_000 }),
    store: async () => "output",
    heartbeat: () => {
      beating.resolve();
      return new Promise<void>(() => {});
    },
  } as unknown as JobApi;
  const engine: Engine = {
    async develop(_, report) {
      report(0.5);
      await beating.promise;
      return [new Uint8Array()];
    },
  };
  const job = sampleJob();
  await queues.jobQueue.send([{ id: "job", body: encodeJob(job, "token") }]);
  const worker = takeJobs({ ...queues, server, engines: new Map([[job.modelType, engine]]), concurrency: 1, log });
  const { message } = await receive(queues.resultQueue).next();
  expect(decodeResult(message.body)).toMatchObject({ jobId: job.id, outcome: { kind: "succeeded" } });
  await worker.stop(60_000);
});
