import { setTimeout as sleep } from "node:timers/promises";
import { AuthService } from "../gen/darkroom/auth/v1/auth_pb.ts";
import { ImageJobService } from "../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { bearer } from "../src/client/index.ts";
import type { Benchmark, Options, Report } from "./support/benchmark.ts";
import { connectJson, has, unaryCall } from "./support/calls.ts";
import { type Server, type SignedIn, signIn, startDarkroom } from "./support/darkroom.ts";
import { load, openCallers } from "./support/load.ts";
import { drawLargePicture, uploadCall } from "./support/pictures.ts";
import { removeScratch, scratchDirectory } from "./support/scratch.ts";

const callers = 32;
const loadMs = 700;
/** How long it may take to become quiet, and then to see that it is, perhaps again, and collect its garbage. */
const quietMs = 1000;
const idleMs = 12_000;
const uploads = 4;

export const memory: Benchmark = {
  name: "memory",
  measures: "resident memory of a server without a worker, idle: after its start, and after work of all kinds",
  run,
};

interface Resident {
  readonly atStart: number;
  readonly afterLoad: number;
}

async function run({ rounds }: Options): Promise<Report> {
  const picture = await drawLargePicture();
  const measured: Resident[] = [];
  const cache = scratchDirectory();
  await (await startDarkroom({ env: { NODE_COMPILE_CACHE: cache } })).stop();
  while (measured.length < rounds) measured.push(await round(picture, cache));
  const of = (key: keyof Resident) => measured.map((resident) => resident[key]);
  return {
    measured: "resident",
    reference: "",
    rows: [
      { what: "idle after the start", unit: "MiB", measured: of("atStart") },
      { what: "idle after the load", unit: "MiB", measured: of("afterLoad") },
    ],
  };
}

/** A new server each time: what one has taken, it seldom gives back. With the code's cache, as `npm start` has it. */
async function round(picture: Buffer, cache: string): Promise<Resident> {
  const server = await startDarkroom({ env: { NODE_COMPILE_CACHE: cache } });
  const atStart = await idleMiB(server);
  await work(server, await signIn(server), picture);
  const afterLoad = await idleMiB(server);
  await server.stop();
  removeScratch(server.dataDir);
  return { atStart, afterLoad };
}

async function work(server: Server, { username, password, token }: SignedIn, picture: Buffer): Promise<void> {
  const opened = await openCallers(server.url, 1, callers);
  const { checkAuth } = AuthService.method;
  await load(server, opened, [unaryCall(connectJson, checkAuth, {}, { token, accepts: has(username) })], loadMs);
  for (let upload = 0; upload < uploads; upload++) await opened[0]?.call(uploadCall(picture, token));
  const { image } = await server.jobs.uploadImage({ data: picture }, bearer(token));
  const imageId = image?.id ?? "";
  const submission = { imageId, prompt: "black and white" };
  const submit = unaryCall(connectJson, ImageJobService.method.submitImageJob, submission, {
    token,
    accepts: has(imageId),
  });
  await load(server, opened, [submit], loadMs);
  await Promise.all(Array.from({ length: 4 }, () => server.auth.login({ identity: username, password })));
  for (const caller of opened) caller.close();
}

async function idleMiB(server: Server): Promise<number> {
  await server.quiet(quietMs);
  await sleep(idleMs);
  return (await server.usage()).residentBytes / 2 ** 20;
}
