import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { GetImageRequestSchema, ImageJobService } from "../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { bearer } from "../src/client/index.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { frame } from "./support/calls.ts";
import { type Child, startChild } from "./support/children.ts";
import { type Server, signIn, startDarkroom } from "./support/darkroom.ts";
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
  const stock = await startDarkroom({ env: { DARKROOM_FAST_RPC: "false" } });
  const bare = await startChild([reference("http-file.ts"), file]);
  const [byFast, byStock] = [await upload(server, picture), await upload(stock, picture)];
  const least = picture.length;
  const [http1, http2] = [http1Downloader, http2Downloader];
  const [connect, stockConnect, grpc, stockGrpc, route, nothing] = (await interleave(rounds, [
    () => transfer(server, http1, byFast.rpc("application/connect+proto"), least),
    () => transfer(stock, http1, byStock.rpc("application/connect+proto"), least),
    () => transfer(server, http2, byFast.rpc("application/grpc"), least),
    () => transfer(stock, http2, byStock.rpc("application/grpc"), least),
    () => transfer(server, http1, byFast.plain, least),
    () => transfer(bare, http1, { ...byFast.plain, path: "/" }, least),
  ])) as [Transfer[], Transfer[], Transfer[], Transfer[], Transfer[], Transfer[]];
  for (const child of [bare, server, stock]) await child.stop();
  const rows = [
    ...rowsOf("GetImage, Connect, HTTP/1.1", connect, nothing),
    ...rowsOf("GetImage, Connect, HTTP/1.1, fast path off", stockConnect, nothing),
    ...rowsOf("GetImage, gRPC", grpc, nothing),
    ...rowsOf("GetImage, gRPC, fast path off", stockGrpc, nothing),
    ...rowsOf("GET /download, HTTP/1.1", route, nothing),
  ];
  return { measured: "Darkroom", reference: "bare Node", rows };
}

/** Gives a server the picture; how it is asked for there. */
async function upload(server: Server, picture: Buffer) {
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
  return { plain, rpc };
}

async function transfer(
  child: Child,
  downloader: (url: string) => Downloader,
  what: Download,
  least: number,
): Promise<Transfer> {
  const download = downloader(child.url);
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
