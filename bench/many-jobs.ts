import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { ImageJobService } from "../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { drawSamplePicture } from "../src/cli/sample-picture.ts";
import { bearer } from "../src/client/index.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { type Call, connectJson, has, unaryCall } from "./support/calls.ts";
import { type Server, signIn, startDarkroom } from "./support/darkroom.ts";
import { fillJobs } from "./support/jobs.ts";
import { interleave, load, openCallers, type Rate } from "./support/load.ts";
import { removeScratch } from "./support/scratch.ts";
import { rateRows } from "./support/unary.ts";

const few = 1000;
const many = 1_000_000;
const callers = 16;
const sideMs = 700;
/** Jobs that are polled in turn, spread over all. */
const sampled = 1000;

export const manyJobs: Benchmark = {
  name: "many-jobs",
  measures:
    "PollImageJob, SubmitImageJob with its dispatch, and the first page of ListImageJobs, of a caller with 10^6 jobs, against one with 10^3",
  run,
};

interface Filled {
  readonly server: Server;
  readonly token: string;
  readonly ids: readonly string[];
  readonly imageId: string;
}

async function run({ rounds }: Options): Promise<Report> {
  const filled = [await startFilled(many), await startFilled(few)];
  const { pollImageJob, listImageJobs, submitImageJob } = ImageJobService.method;
  const rows: Row[] = [];
  rows.push(
    ...(await compare("PollImageJob", filled, rounds, ({ ids, token }) =>
      ids.map((jobId) => jsonCall(pollImageJob, { jobId }, token, jobId)),
    )),
    ...(await compare("SubmitImageJob, and its dispatch", filled, rounds, ({ token, imageId }) => [
      jsonCall(submitImageJob, { imageId, prompt: "sepia" }, token, "STATE_QUEUED"),
    ])),
    ...(await compare("ListImageJobs, 50 of them", filled, rounds, ({ token }) => [
      jsonCall(listImageJobs, {}, token, "nextPageToken"),
    ])),
  );
  for (const { server } of filled) {
    await server.stop();
    removeScratch(server.dataDir);
  }
  return { measured: "with 10^6 jobs", reference: "with 10^3", rows };
}

async function startFilled(count: number): Promise<Filled> {
  const empty = await startDarkroom();
  const { accountId, token } = await signIn(empty);
  await empty.stop();
  const ids = await fillJobs(empty.dataDir, accountId, count, sampled);
  const server = await startDarkroom({ dataDir: empty.dataDir });
  const { image } = await server.jobs.uploadImage({ data: await drawSamplePicture() }, bearer(token));
  return { server, token, ids, imageId: image?.id ?? "" };
}

async function compare(
  what: string,
  filled: readonly Filled[],
  rounds: number,
  callsOf: (filled: Filled) => Call[],
): Promise<Row[]> {
  const sides = filled.map(async (side): Promise<() => Promise<Rate>> => {
    const opened = await openCallers(side.server.url, 1, callers);
    const calls = callsOf(side);
    return () => load(side.server, opened, calls, sideMs);
  });
  return rateRows(what, await interleave(rounds, await Promise.all(sides)));
}

function jsonCall<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  token: string,
  text: string,
): Call {
  return unaryCall(connectJson, method, request, { token, accepts: has(text) });
}
