import { ImageJobService } from "../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { drawSamplePicture } from "../src/cli/sample-picture.ts";
import { bearer } from "../src/client/index.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { type Call, connectJson, type Format, grpc, has, unaryCall } from "./support/calls.ts";
import { type Child, startChild } from "./support/children.ts";
import { signIn, startDarkroom } from "./support/darkroom.ts";
import { sampleJob } from "./support/jobs.ts";
import { interleave, load, openCallers } from "./support/load.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { reference } from "./support/unary.ts";

const callers = 64;
const sideMs = 700;
/** How long the server may take to publish what a round has left behind. */
const quietMs = 2000;
const prompt = "black and white, grainy, with a soft vignette and a little more contrast; ".repeat(4).trim();

export const submits: Benchmark = {
  name: "submits",
  measures:
    "durable SubmitImageJob by 64 callers, against node:sqlite inserts of the same size, alone and behind node:http",
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const text = JSON.stringify(sampleJob("owner", Date.now(), prompt));
  const inserts = await startChild([reference("sqlite-inserts.ts"), scratchDirectory(), text, String(callers)]);
  const bare = await startChild([reference("http-inserts.ts"), scratchDirectory(), text]);
  const { token } = await signIn(server);
  const { image } = await server.jobs.uploadImage({ data: await drawSamplePicture() }, bearer(token));
  const imageId = image?.id ?? "";
  const call = (format: Format) =>
    unaryCall(format, ImageJobService.method.submitImageJob, { imageId, prompt }, { token, accepts: has(imageId) });
  const [byJson = [], byGrpc = [], byBare = [], alone = []] = await interleave(rounds, [
    await side(server, 1, call(connectJson)),
    await side(server, 2, call(grpc)),
    await side(bare, 1, call(connectJson)),
    () => insertsPerSecond(inserts),
  ]);
  await Promise.all([server.stop(), bare.stop(), inserts.stop()]);
  const rows: Row[] = [
    { what: "Connect JSON, HTTP/1.1", unit: "jobs/s", measured: byJson, reference: alone },
    { what: "gRPC", unit: "jobs/s", measured: byGrpc, reference: alone },
    { what: "bare node:http before those inserts", unit: "jobs/s", measured: byBare, reference: alone },
    { what: "Connect JSON, HTTP/1.1, against that", unit: "jobs/s", measured: byJson, reference: byBare },
  ];
  return { measured: "Darkroom", reference: "bare node:sqlite", rows };
}

async function side(server: Child, http: 1 | 2, call: Call): Promise<() => Promise<number>> {
  const opened = await openCallers(server.url, http, callers);
  return async () => {
    const { perSecond } = await load(server, opened, [call], sideMs);
    await server.quiet(quietMs);
    return perSecond;
  };
}

async function insertsPerSecond(inserts: Child): Promise<number> {
  return (await inserts.ask(sideMs)) as number;
}
