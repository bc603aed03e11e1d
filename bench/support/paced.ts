import { setTimeout as sleep } from "node:timers/promises";
import type { Caller } from "./caller.ts";
import type { Call } from "./calls.ts";
import { openCallers } from "./load.ts";
import { msOf } from "./ms-of.ts";

const perSecond = 200;

/**
 * Milliseconds of calls that come at a fixed pace whether or not those before are answered, as calls of strangers do: a
 * server that stands still for a while delays all that come meanwhile, and all of them count.
 */
export async function pacedLatencies(url: string, call: Call, ms: number): Promise<number[]> {
  const calls = Math.round((ms / 1000) * perSecond);
  // One for each: if the server stands still, all of them wait.
  const opened = await openCallers(url, 1, calls);
  // What it takes to accept hundreds of connections at once is no call's.
  await Promise.all(opened.map((caller) => caller.call(call)));
  const free = [...opened];
  const latencies: number[] = [];
  const start = performance.now();
  const running: Promise<void>[] = [];
  for (let made = 0; made < calls; made++) {
    await sleep(Math.max(0, start + (made * 1000) / perSecond - performance.now()));
    const caller = free.pop() as Caller;
    running.push(timed(caller, call, latencies).then(() => void free.push(caller)));
  }
  await Promise.all(running);
  for (const caller of opened) caller.close();
  return latencies;
}

async function timed(caller: Caller, call: Call, latencies: number[]): Promise<void> {
  latencies.push(await msOf(() => caller.call(call)));
}
