import { monitorEventLoopDelay } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Loaded by `--import` into a process that is measured: tells, when asked over IPC, what the process has used. */

const questions = ["usage", "live", "watchLoop", "loopDelay"] as const;
export type Question = (typeof questions)[number];

export interface Usage {
  /** Processor time of all threads since the start, microseconds. */
  readonly cpuUs: number;
  readonly residentBytes: number;
}

/** Milliseconds that the event loop was late, since it was last asked. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export const isQuestion = (message: unknown): message is Question => questions.includes(message as Question);

const resolutionMs = 1;
let histogram: ReturnType<typeof monitorEventLoopDelay> | undefined;

if (process.send !== undefined)
  process.on("message", (message) => isQuestion(message) && process.send?.(answer(message)));

function answer(question: Question): Usage | LoopDelay | number | "watching" {
  if (question === "usage") return usage();
  if (question === "live") return liveBytes();
  if (question === "loopDelay") return loopDelay();
  histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  return "watching";
}

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system, residentBytes: process.memoryUsage.rss() };
}

/** What the main thread's heap, and buffers beside it, hold once everything that nobody needs is gone. */
function liveBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function loopDelay(): LoopDelay {
  if (histogram === undefined) throw new Error("the loop is not watched");
  // The histogram holds the time between two looks; they are meant to be `resolution` apart.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  const delay = { p50: late(histogram.percentile(50)), p99: late(histogram.percentile(99)), max: late(histogram.max) };
  histogram.reset();
  return delay;
}
