import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { startDarkroom } from "./support/darkroom.ts";
import { interleave, load, openCallers } from "./support/load.ts";
import { mixedCalls } from "./support/mixed.ts";
import { type Offered, offer } from "./support/open-loop.ts";
import { percentile } from "./support/statistics.ts";

const peakCallers = 64;
const peakMs = 1500;
/** As many connections as its callers may open. */
const connections = 4096;
const offeredMs = 3000;
const factor = 3;
const settleMs = 2000;

export const overload: Benchmark = {
  name: "overload",
  measures: "three times the calls that a server can answer: what is answered in time, against the most that it can",
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const { calls } = await mixedCalls(server);
  const few = await openCallers(server.url, 1, peakCallers);
  const many = await openCallers(server.url, 1, connections);
  let last = 0;

  async function peak(): Promise<number> {
    await server.quiet(settleMs);
    last = (await load(server, few, calls, peakMs)).perSecond;
    return last;
  }
  const over = () => offer(many, calls, { perSecond: factor * last, ms: offeredMs });

  const [peaks, offered] = (await interleave<unknown>(rounds, [peak, over])) as [number[], Offered[]];
  await server.stop();
  return { measured: "three times the most", reference: "the most", rows: rowsOf(offered, peaks) };
}

function rowsOf(offered: readonly Offered[], peaks: readonly number[]): Row[] {
  const row = (what: string, unit: string, value: (each: Offered) => number): Row => ({
    what,
    unit,
    measured: offered.map(value),
  });
  const goodput = row("answered as asked, within a second", "calls/s", ({ good }) => good);
  return [
    { ...goodput, reference: peaks },
    row("refused", "calls/s", ({ refused }) => refused),
    row("late", "calls/s", ({ late }) => late),
    row("not sent, for want of a connection", "calls/s", ({ unsent }) => unsent),
    row("p50 of what was answered as asked", "ms", ({ latencies }) => percentile(latencies, 50)),
    row("p99 of what was answered as asked", "ms", ({ latencies }) => percentile(latencies, 99)),
  ];
}
