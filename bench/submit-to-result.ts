import { drawSamplePicture } from "../src/cli/sample-picture.ts";
import { bearer, State } from "../src/client/index.ts";
import { startBareJobs } from "./support/bare-jobs.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { signIn, startDarkroom } from "./support/darkroom.ts";
import { startEngine } from "./support/engine.ts";
import { interleave } from "./support/load.ts";
import { msOf } from "./support/ms-of.ts";
import { percentile } from "./support/statistics.ts";

const jobsARound = 16;
const wait = { seconds: 30n, nanos: 0 };
const wanted = { prompt: "black and white", promptGuidance: 7.5, strength: 1, seed: 7, imageCount: 1 };

export const submitToResult: Benchmark = {
  name: "submit-to-result",
  measures:
    "from SubmitImageJob to its end by PollImageJob, one job at a time, against the engine by itself, and behind bare Node",
  run,
};

interface Times {
  readonly job: number;
  readonly engine: number;
  readonly bare: number;
}

async function run({ rounds }: Options): Promise<Report> {
  const picture = await drawSamplePicture();
  const server = await startDarkroom({ worker: true });
  const engine = await startEngine(picture, wanted);
  const bare = await startBareJobs(picture, wanted);
  const credential = bearer((await signIn(server)).token);
  const { image } = await server.jobs.uploadImage({ data: picture }, credential);

  async function submitAndWait(): Promise<void> {
    const submission = { ...wanted, imageId: image?.id ?? "", modelType: "studio" };
    const { job } = await server.jobs.submitImageJob(submission, credential);
    const ended = await server.jobs.pollImageJob({ jobId: job?.id ?? "", wait }, credential);
    if (ended.job?.state !== State.SUCCEEDED) throw new Error(`the job did not succeed: ${ended.job?.error?.message}`);
  }
  async function round(): Promise<Times[]> {
    const times: Times[] = [];
    for (let job = 0; job < jobsARound; job++) {
      times.push({ job: await msOf(submitAndWait), engine: await engine.run(), bare: await msOf(bare.run) });
    }
    return times;
  }

  const [measured = []] = await interleave(rounds, [round]);
  await Promise.all([server.stop(), engine.stop(), bare.stop()]);
  return { measured: "submit → result", reference: "engine alone", rows: rowsOf(measured) };
}

function rowsOf(byRound: readonly Times[][]): Row[] {
  const of = (percent: number, value: (times: Times) => number) =>
    byRound.map((times) => percentile(times.map(value), percent));
  return [50, 95].flatMap((percent) => [
    {
      what: `p${percent}`,
      unit: "ms",
      measured: of(percent, ({ job }) => job),
      reference: of(percent, ({ engine }) => engine),
    },
    {
      what: `p${percent} of what is added, job by job`,
      unit: "ms",
      measured: of(percent, ({ job, engine }) => job - engine),
    },
    {
      what: `p${percent} of what bare Node adds, job by job`,
      unit: "ms",
      measured: of(percent, ({ bare, engine }) => bare - engine),
    },
  ]);
}
