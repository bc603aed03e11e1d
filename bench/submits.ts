import { join } from "node:path";
import { ImageJobService } from "../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { drawSamplePicture } from "../src/cli/sample-picture.ts";
import { bearer } from "../src/client/index.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { connectJson, grpc, has, unaryCall } from "./support/calls.ts";
import { type Child, startChild } from "./support/children.ts";
import { type Server, signIn, startDarkroom } from "./support/darkroom.ts";
import { sampleJob } from "./support/jobs.ts";
import { interleave, load, openCallers } from "./support/load.ts";
import { scratchDirectory } from "./support/scratch.ts";

const callers = 64;
const sideMs = 700;
/** How long the server may take to publish what a round has left behind. */
const quietMs = 2000;
const prompt = "black and white, grainy, with a soft vignette and a little more contrast; ".repeat(4).trim();

export const submits: Benchmark = {
  name: "submits",
  measures: "durable SubmitImageJob by 64 callers, against node:sqlite inserts of the same size, 64 in a commit",
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const text = JSON.stringify(sampleJob("owner", Date.now(), prompt));
  const file = join(import.meta.dirname, "reference/sqlite-inserts.ts");
  const inserts = await startChild([file, scratchDirectory(), text, String(callers)]);
  const sides = [...(await submitSides(server)), () => insertsPerSecond(inserts)];
  const [http1 = [], overGrpc = [], reference = []] = await interleave(rounds, sides);
  await Promise.all([server.stop(), inserts.stop()]);
  const rows: Row[] = [
    { what: "Connect JSON, HTTP/1.1", unit: "jobs/s", measured: http1, reference },
    { what: "gRPC", unit: "jobs/s", measured: overGrpc, reference },
  ];
  return { measured: "Darkroom", reference: "bare node:sqlite", rows };
}

async function submitSides(server: Server): Promise<(() => Promise<number>)[]> {
  const { token } = await signIn(server);
  const { image } = await server.jobs.uploadImage({ data: await drawSamplePicture() }, bearer(token));
  const imageId = image?.id ?? "";
  const method = ImageJobService.method.submitImageJob;
  const ways = [
    { http: 1, format: connectJson },
    { http: 2, format: grpc },
  ] as const;
  return Promise.all(
    ways.map(async ({ http, format }) => {
      const opened = await openCallers(server.url, http, callers);
      const call = unaryCall(format, method, { imageId, prompt }, { token, accepts: has(imageId) });
      return async () => {
        const { perSecond } = await load(server, opened, [call], sideMs);
        await server.quiet(quietMs);
        return perSecond;
      };
    }),
  );
}

async function insertsPerSecond(inserts: Child): Promise<number> {
  return (await inserts.ask(sideMs)) as number;
}
