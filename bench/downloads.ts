import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { GetImageRequestSchema, ImageJobService } from "../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { bearer } from "../src/client/index.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { frame } from "./support/calls.ts";
import { type Child, startChild } from "./support/children.ts";
import { signIn, startDarkroom } from "./support/darkroom.ts";
import { type Download, type Downloader, http1Downloader, http2Downloader } from "./support/downloads.ts";
import { interleave } from "./support/load.ts";
import { drawLargePicture } from "./support/pictures.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { reference } from "./support/unary.ts";

const atOnce = 8;
const sideMs = 1500;
/** Pixels a side: 10 MB. */
const side = 1830;

export const downloads: Benchmark = {
  name: "downloads",
  measures: "a picture of 10 MB, 8 at once, by GetImage and by GET /download, against bare Node sending a file",
  run,
};

interface Transfer {
  readonly perSecond: number;
  readonly cpuMs: number;
}

async function run({ rounds }: Options): Promise<Report> {
  const picture = await drawLargePicture(side);
  const file = join(scratchDirectory(), "picture.png");
  writeFileSync(file, picture);
  const server = await startDarkroom();
  const bare = await startChild([reference("http-file.ts"), file]);
  const { token } = await signIn(server);
  const { image } = await server.jobs.uploadImage({ data: picture }, bearer(token));
  const imageId = image?.id ?? "";
  const headers = { authorization: `Bearer ${token}` };
  const plain: Download = { method: "GET", path: `/download/${imageId}`, headers, body: Buffer.alloc(0) };
  const rpc = (type: string): Download => ({
    method: "POST",
    path: `/${ImageJobService.typeName}/GetImage`,
    headers: { ...headers, "content-type": type },
    body: frame(0, Buffer.from(toBinary(GetImageRequestSchema, create(GetImageRequestSchema, { imageId })))),
  });
  const least = picture.length;
  const http1 = http1Downloader(server.url);
  const [connect, grpc, route, nothing] = (await interleave(rounds, [
    () => transfer(server, http1, rpc("application/connect+proto"), least),
    () => transfer(server, http2Downloader(server.url), rpc("application/grpc"), least),
    () => transfer(server, http1, plain, least),
    () => transfer(bare, http1Downloader(bare.url), { ...plain, path: "/" }, least),
  ])) as [Transfer[], Transfer[], Transfer[], Transfer[]];
  await bare.stop();
  await server.stop();
  const rows = [
    ...rowsOf("GetImage, Connect, HTTP/1.1", connect, nothing),
    ...rowsOf("GetImage, gRPC", grpc, nothing),
    ...rowsOf("GET /download, HTTP/1.1", route, nothing),
  ];
  return { measured: "Darkroom", reference: "bare Node", rows };
}

async function transfer(child: Child, download: Downloader, what: Download, least: number): Promise<Transfer> {
  const before = await child.usage();
  const start = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (performance.now() - start < sideMs) {
        const size = await download(what);
        if (size < least) throw new Error(`${what.path} ended after ${size} bytes`);
        done += 1;
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  const { cpuUs } = await child.usage();
  return { perSecond: done / seconds, cpuMs: (cpuUs - before.cpuUs) / done / 1000 };
}

function rowsOf(what: string, measured: readonly Transfer[], least: readonly Transfer[]): Row[] {
  const row = (unit: string, key: keyof Transfer): Row => ({
    what,
    unit,
    measured: measured.map((each) => each[key]),
    reference: least.map((each) => each[key]),
  });
  return [row("pictures/s", "perSecond"), row("server's CPU ms a picture", "cpuMs")];
}
