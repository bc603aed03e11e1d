import { setTimeout as sleep } from "node:timers/promises";
import { type Caller, WrongAnswer } from "./caller.ts";
import type { Call } from "./calls.ts";

/** After this a caller has no use for an answer. */
const inTimeMs = 1000;
const tickMs = 2;
const tooManyRequests = 429;

export interface Offered {
  /** A second: answered as asked, and in time. */
  readonly good: number;
  readonly refused: number;
  /** Answered as asked, but too late. */
  readonly late: number;
  /** Not sent, since all connections had a call on its way. */
  readonly unsent: number;
  /** Milliseconds, of those that were answered as asked; from when they were due. */
  readonly latencies: readonly number[];
}

/** Calls that come at a pace, answered or not, as those of strangers do. */
export async function offer(
  callers: readonly Caller[],
  calls: readonly Call[],
  { perSecond, ms }: { readonly perSecond: number; readonly ms: number },
): Promise<Offered> {
  const free = [...callers];
  const latencies: number[] = [];
  let refused = 0;
  let unsent = 0;
  let made = 0;

  async function send(caller: Caller, due: number): Promise<void> {
    try {
      await caller.call(calls[made++ % calls.length] as Call);
      latencies.push(performance.now() - due);
    } catch (error) {
      if (!(error instanceof WrongAnswer && error.status === tooManyRequests)) throw error;
      refused += 1;
    }
    free.push(caller);
  }

  const start = performance.now();
  const running = new Set<Promise<void>>();
  for (let due = start; due < start + ms; ) {
    await sleep(tickMs);
    for (const end = Math.min(performance.now(), start + ms); due < end; due += 1000 / perSecond) {
      const caller = free.pop();
      if (caller === undefined) unsent += 1;
      else track(send(caller, due), running);
    }
  }
  await Promise.all(running);
  const inTime = latencies.filter((latency) => latency <= inTimeMs).length;
  const aSecond = (count: number) => (count * 1000) / ms;
  const [good, late] = [aSecond(inTime), aSecond(latencies.length - inTime)];
  return { good, late, refused: aSecond(refused), unsent: aSecond(unsent), latencies };
}

function track(work: Promise<void>, running: Set<Promise<void>>): void {
  running.add(work);
  void work.then(() => running.delete(work));
}
