import type { Caller } from "./caller.ts";
import type { Call } from "./calls.ts";
import type { Child } from "./children.ts";
import { http1Callers } from "./http1.ts";
import { http2Callers } from "./http2.ts";

export interface Rate {
  readonly perSecond: number;
  /** Processor time of the server, all its threads, for one call. */
  readonly cpuUs: number;
}

/** HTTP/2 callers share this many connections. */
const http2Connections = 4;

export function openCallers(url: string, http: 1 | 2, count: number): Promise<Caller[]> {
  return http === 1 ? http1Callers(url, count) : http2Callers(url, http2Connections, count / http2Connections);
}

/** Every caller calls again as soon as it has its answer; the calls are made in turn. */
export async function load(
  child: Child,
  callers: readonly Caller[],
  calls: readonly Call[],
  ms: number,
): Promise<Rate> {
  const before = await child.usage();
  const start = performance.now();
  const end = start + ms;
  let made = 0;
  await Promise.all(
    callers.map(async (caller) => {
      while (performance.now() < end) await caller.call(calls[made++ % calls.length] as Call);
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  const { cpuUs } = await child.usage();
  return { perSecond: made / seconds, cpuUs: (cpuUs - before.cpuUs) / made };
}

/** Runs the sides in turn, round by round: A, B, A, B… What the first round measured is thrown away. */
export async function interleave<T>(rounds: number, sides: readonly (() => Promise<T>)[]): Promise<T[][]> {
  const measured: T[][] = sides.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, side] of sides.entries()) {
      const value = await side();
      if (round > 0) measured[index]?.push(value);
    }
  }
  return measured;
}
