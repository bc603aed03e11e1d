import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { decodeResult, encodeJob } from "../../src/model/queue-messages.ts";
import { complete, type Handler, type Queue } from "../../src/ports/queue.ts";
import { type Engine, EngineError } from "../../src/worker/engine.ts";
import type { JobApi } from "../../src/worker/job-api.ts";
import { takeJobs } from "../../src/worker/worker.ts";
import { sampleJob } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";

const job = sampleJob({ promptGuidance: 9, strength: 0.3, seed: 7, imageCount: 2 });
const message = { id: "message", body: encodeJob(job, "token"), deliveryCount: 1 };
const drawn: Engine = { develop: async () => [new Uint8Array()] };
const failing = (error: unknown): Engine => ({ develop: () => Promise.reject(error) });

function refusal(reason: string): ConnectError {
  const error = new ConnectError("the server's words", Code.FailedPrecondition);
  error.details.push({ desc: ErrorInfoSchema, value: { reason } });
  return error;
}

/** A worker whose server and result queue do what they are asked, unless told otherwise. */
function open({ server = {}, engine = drawn }: { readonly server?: Partial<JobApi>; readonly engine?: Engine }) {
  const log = recordingLog();
  const running = Promise.withResolvers<unknown>();
  const consume = vi.fn((_: Handler) => ({ stop: () => running.promise }));
  const send = vi.fn<Queue["send"]>(async () => {});
  const worker = takeJobs({
    jobQueue: { consume } as unknown as Queue,
    resultQueue: { send } as unknown as Queue,
    server: {
      picture: async () => new Uint8Array(),
      claim: async () => ({ attempt: 2, token: "token", leaseMs: 60_000 }),
      store: async () => "output",
      heartbeat: async () => {},
      ...server,
    } as unknown as JobApi,
    engines: new Map([[job.modelType, engine]]),
    concurrency: 1,
    log,
  });
  const outcomes = () => send.mock.calls.map(([[result]]) => decodeResult(result?.body ?? new Uint8Array()).outcome);
  const take = () => {
    const [[handle]] = consume.mock.calls as [[Handler]];
    const taking = handle(message);
    running.resolve(taking.catch(() => {}));
    return taking;
  };
  return { worker, take, send, outcomes, log };
}

test.each([
  ["LEASE_HELD", { kind: "abandon", delayMs: 5000 }],
  ["JOB_ENDED", complete],
  ["DISPATCH_SUPERSEDED", complete],
  ["OWNER_UNUSABLE", complete],
])(
  "a claim that is refused with %s settles its message, and the picture is fetched no more",
  async (reason, settled) => {
    const picture = vi.fn((_token: string, _id: string, _signal: AbortSignal) => new Promise<never>(() => {}));
    const { take, send, log } = open({ server: { picture, claim: () => Promise.reject(refusal(reason)) } });
    expect(await take()).toEqual(settled);
    expect(picture.mock.calls[0]?.[2].aborted).toBe(true);
    expect(send).not.toHaveBeenCalled();
    expect(log.lines).toEqual([]);
  },
);

test("an engine is told what the job asks for, and its pictures stay in order", async () => {
  const develop = vi.fn<Engine["develop"]>(async () => [Buffer.from("a"), Buffer.from("b")]);
  const store = async (_token: string, picture: Uint8Array) => `stored-${Buffer.from(picture)}`;
  const { take, outcomes } = open({ server: { store }, engine: { develop } });
  await take();
  const { prompt, promptGuidance, strength, seed, imageCount } = job;
  expect(develop.mock.calls[0]?.[0]).toMatchObject({ prompt, promptGuidance, strength, seed, imageCount });
  expect(outcomes()).toMatchObject([{ kind: "succeeded", imageIds: ["stored-a", "stored-b"] }]);
});

test("an engine's fault that nobody foresaw fails the attempt, not the job, and the log has it", async () => {
  const err = new Error("odd");
  const { take, outcomes, log } = open({ engine: failing(err) });
  expect(await take()).toEqual(complete);
  expect(outcomes()).toMatchObject([{ kind: "failed", error: { reason: "WORKER_FAULT" }, retryable: true }]);
  const fields = { err, job: job.id, attempt: 2 };
  expect(log.lines).toContainEqual({ level: "error", fields, message: "a job failed unexpectedly" });
  expect(JSON.stringify(outcomes())).not.toContain("odd");
});

test("why a job fails is in the log where its owner is told less", async () => {
  const why = (error: EngineError) => {
    const { take, log } = open({ engine: failing(error) });
    return take().then(() => log.lines.filter(({ message }) => message === "why the job failed"));
  };
  expect(await why(new EngineError("BAD", "told"))).toEqual([]);
  const cause = new Error("not told");
  const fields = { err: cause, job: job.id, attempt: 2, reason: "BAD" };
  expect(await why(new EngineError("BAD", "told", { cause }))).toMatchObject([{ level: "info", fields }]);
});

test.each(["JOB_ENDED", "LEASE_LOST", "OWNER_UNUSABLE"])(
  "an attempt whose picture is refused with %s ends without a result",
  async (reason) => {
    const { take, send, log } = open({ server: { store: () => Promise.reject(refusal(reason)) } });
    expect(await take()).toEqual(complete);
    expect(send).not.toHaveBeenCalled();
    expect(log.lines.at(-1)?.message).toBe("job dropped: it is no longer this worker's");
  },
);

test("a result that the queue does not take is sent until it does, and the log says so once", async () => {
  const { take, send, outcomes, log } = open({});
  for (let refusals = 3; refusals > 0; refusals -= 1) send.mockRejectedValueOnce(new Error("away"));
  expect(await take()).toEqual(complete);
  expect(new Set(send.mock.calls.map(([[result]]) => result?.id))).toEqual(new Set([`${job.id}.2`]));
  expect(outcomes()).toHaveLength(4);
  const told = log.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  expect(told).toEqual(["a result could not be sent; it will be"]);
});

test("a worker that is stopped sends the result that says so once, and gives back what was not taken", async () => {
  const begun = Promise.withResolvers<void>();
  const engine: Engine = {
    develop(_task, _report, signal) {
      begun.resolve();
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  };
  const { worker, take, send, outcomes } = open({ engine });
  send.mockRejectedValue(new Error("away"));
  const taking = take();
  await begun.promise;
  const stopped = worker.stop(0);
  await expect(taking).rejects.toThrow("away");
  await stopped;
  expect(outcomes()).toMatchObject([{ kind: "failed", error: { reason: "WORKER_STOPPED" }, retryable: true }]);
});

test("a job that is done has no heartbeat any more", async () => {
  vi.useFakeTimers();
  try {
    const { take } = open({});
    expect(await take()).toEqual(complete);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
