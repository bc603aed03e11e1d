import { AuthService } from "../gen/darkroom/auth/v1/auth_pb.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { connectJson, has, unaryCall } from "./support/calls.ts";
import { signIn, startDarkroom } from "./support/darkroom.ts";
import { startDisturber } from "./support/disturbance.ts";
import { interleave } from "./support/load.ts";
import { pacedLatencies } from "./support/paced.ts";
import { drawLargePicture, uploadCall } from "./support/pictures.ts";
import type { LoopDelay } from "./support/probe.ts";
import { percentile } from "./support/statistics.ts";

const sideMs = 2000;
/** How long the server may take for the logins that still wait at the end of a busy side. */
const quietMs = 4000;

export const eventLoop: Benchmark = {
  name: "event-loop",
  measures:
    "200 CheckAuth a second while 4 logins and 2 uploads of 20 MB a second run, against the same with nothing else",
  run,
};

interface Delay {
  readonly callers: { readonly p50: number; readonly p99: number };
  readonly loop: LoopDelay;
}

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const who = await signIn(server);
  const { accepts: _, ...upload } = uploadCall(await drawLargePicture(), who.token);
  const disturber = await startDisturber(server, who, upload);
  const accepts = has(who.username);
  const call = unaryCall(connectJson, AuthService.method.checkAuth, {}, { token: who.token, accepts });
  await server.watchLoop();

  async function measure(): Promise<Delay> {
    await server.loopDelay();
    const latencies = await pacedLatencies(server.url, call, sideMs);
    const callers = { p50: percentile(latencies, 50), p99: percentile(latencies, 99) };
    return { callers, loop: await server.loopDelay() };
  }
  async function measureBusy(): Promise<Delay> {
    await disturber.tell("start");
    const delay = await measure();
    await disturber.tell("stop");
    await server.quiet(quietMs);
    return delay;
  }

  const [busy = [], idle = []] = await interleave(rounds, [measureBusy, measure]);
  await disturber.end();
  await server.stop();
  return { measured: "logins and uploads", reference: "idle", rows: rowsOf(busy, idle) };
}

function rowsOf(busy: readonly Delay[], idle: readonly Delay[]): Row[] {
  const row = (what: string, value: (delay: Delay) => number): Row => ({
    what,
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
