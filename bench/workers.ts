import { randomUUID } from "node:crypto";
import sharp from "sharp";
import { bearer, State } from "../src/client/index.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { type Server, signIn, startDarkroom } from "./support/darkroom.ts";
import { startEngine } from "./support/engine.ts";
import { msOf } from "./support/ms-of.ts";
import { startProductionEngines } from "./support/production.ts";
import { percentile } from "./support/statistics.ts";
import { startWorkers } from "./support/workers.ts";

const callers = 12;
/** The stand-ins of production are slow, and grow slower with what they store. */
const sizes = { embedded: { jobs: 80, alone: 10 }, production: { jobs: 12, alone: 4 } } as const;
const wait = { seconds: 60n };
const wanted = { prompt: "sepia with a vignette", promptGuidance: 7.5, strength: 1, seed: 7, imageCount: 1 };

export const workers: Benchmark = {
  name: "workers",
  measures: `jobs a second, small ones by ${callers} callers, with 1, 2 and 4 workers on both pairs of engines, against the engine alone`,
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const background = { r: 200, g: 90, b: 40 };
  const picture = await sharp({ create: { width: 320, height: 240, channels: 3, background } })
    .jpeg()
    .toBuffer();
  const production = await startProductionEngines();
  const rows: Row[] = [];
  const fresh = () => ({ ...production.env, MONGODB_DATABASE: `bench-${randomUUID()}` });
  for (const count of [1, 2, 4]) {
    rows.push(...(await measure({ engines: "SQLite", env: {}, count, ...sizes.embedded }, picture, rounds)));
  }
  for (const count of [1, 2, 4]) {
    const of = { engines: "FerretDB and a test broker", env: fresh(), count, ...sizes.production };
    rows.push(...(await measure(of, picture, rounds)));
  }
  await production.end();
  return { measured: "Darkroom", reference: "engine alone", rows };
}

interface Setting {
  readonly engines: string;
  readonly env: Readonly<Record<string, string>>;
  /** Of workers. */
  readonly count: number;
  readonly jobs: number;
  /** Jobs one by one, for the median of what is added. */
  readonly alone: number;
}

async function measure(
  { engines, env, count, jobs, alone }: Setting,
  picture: Uint8Array,
  rounds: number,
): Promise<Row[]> {
  const server = await startDarkroom({ env });
  const ended = startWorkers(count, server, env);
  const caller = await callerOf(server, picture);
  const engine = await startEngine(picture, wanted);
  await Promise.all([caller.develop(), engine.run()]);
  const what = `${engines}, ${count} ${count === 1 ? "worker" : "workers"}`;
  const rate = { what, unit: "jobs/s", measured: [] as number[], reference: [] as number[] };
  const added = { what: `${what}, one job at a time: p50 of what is added`, unit: "ms", measured: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const engineMs = await medianOf(engine.run, alone);
    rate.reference.push(1000 / engineMs);
    added.measured.push((await medianOf(() => msOf(caller.develop), alone)) - engineMs);
    const start = performance.now();
    let left = jobs;
    const one = async () => {
      while (left-- > 0) await caller.develop();
    };
    await Promise.all(Array.from({ length: callers }, one));
    rate.measured.push(jobs / ((performance.now() - start) / 1000));
  }
  ended();
  await Promise.all([server.stop(), engine.stop()]);
  return [rate, added];
}

async function callerOf(server: Server, picture: Uint8Array) {
  const credential = bearer((await signIn(server)).token);
  const { image } = await server.jobs.uploadImage({ data: picture }, credential);
  return {
    async develop(): Promise<void> {
      const submission = { ...wanted, imageId: image?.id ?? "", modelType: "studio" };
      const { job } = await server.jobs.submitImageJob(submission, credential);
      const ended = await server.jobs.pollImageJob({ jobId: job?.id ?? "", wait }, credential);
      if (ended.job?.state !== State.SUCCEEDED) throw new Error(`a job did not succeed: ${ended.job?.error?.message}`);
    },
  };
}

async function medianOf(run: () => Promise<number>, times: number): Promise<number> {
  const measured: number[] = [];
  while (measured.length < times) measured.push(await run());
  return percentile(measured, 50);
}
