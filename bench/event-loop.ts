import { AuthService } from "../gen/darkroom/auth/v1/auth_pb.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { type Call, connectJson, has, unaryCall } from "./support/calls.ts";
import { type Child, startChild } from "./support/children.ts";
import { nodeOptions, type SignedIn, signIn, startDarkroom } from "./support/darkroom.ts";
import { startDisturber } from "./support/disturbance.ts";
import { interleave } from "./support/load.ts";
import { pacedLatencies } from "./support/paced.ts";
import { drawLargePicture, uploadCall } from "./support/pictures.ts";
import type { LoopDelay } from "./support/probe.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { percentile } from "./support/statistics.ts";
import { reference } from "./support/unary.ts";

const sideMs = 2000;
/** How long the server may take for the logins that still wait at the end of a busy side. */
const quietMs = 4000;

export const eventLoop: Benchmark = {
  name: "event-loop",
  measures:
    "200 CheckAuth a second while 4 logins and 2 uploads of 20 MB a second run, against the same with nothing else, and on bare Node",
  run,
};

interface Delay {
  readonly callers: { readonly p50: number; readonly p99: number };
  readonly loop: LoopDelay;
}

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const who = await signIn(server);
  const bare = await startChild([...nodeOptions, reference("http-disturbed.ts"), scratchDirectory(), who.username]);
  const upload = uploadCall(await drawLargePicture(), who.token);
  const accepts = has(who.username);
  const call = unaryCall(connectJson, AuthService.method.checkAuth, {}, { token: who.token, accepts });
  const [ours, theirs] = [await sidesOf(server, who, upload, call), await sidesOf(bare, who, upload, call)];
  const [busy = [], idle = [], bareBusy = [], bareIdle = []] = await interleave(rounds, [
    ours.busy,
    ours.idle,
    theirs.busy,
    theirs.idle,
  ]);
  await Promise.all([ours.end(), theirs.end()]);
  await Promise.all([server.stop(), bare.stop()]);
  const rows = [...rowsOf(busy, idle), ...rowsOf(bareBusy, bareIdle, "bare Node: ")];
  return { measured: "logins and uploads", reference: "idle", rows };
}

async function sidesOf(child: Child, who: SignedIn, upload: Call, call: Call) {
  const disturber = await startDisturber(child.url, who, upload);
  await child.watchLoop();

  async function idle(): Promise<Delay> {
    await child.loopDelay();
    const latencies = await pacedLatencies(child.url, call, sideMs);
    const callers = { p50: percentile(latencies, 50), p99: percentile(latencies, 99) };
    return { callers, loop: await child.loopDelay() };
  }

  async function busy(): Promise<Delay> {
    await disturber.tell("start");
    const delay = await idle();
    await disturber.tell("stop");
    await child.quiet(quietMs);
    return delay;
  }
  return { busy, idle, end: disturber.end };
}

function rowsOf(busy: readonly Delay[], idle: readonly Delay[], whose = ""): Row[] {
  const row = (what: string, value: (delay: Delay) => number): Row => ({
    what: whose + what,
    unit: "ms",
    measured: busy.map(value),
    reference: idle.map(value),
  });
  return [
    row("other callers' p50", ({ callers }) => callers.p50),
    row("other callers' p99", ({ callers }) => callers.p99),
    row("the event loop's lateness, p50", ({ loop }) => loop.p50),
    row("the event loop's lateness, p99", ({ loop }) => loop.p99),
    row("the event loop's lateness, most", ({ loop }) => loop.max),
  ];
}
