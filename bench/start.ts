import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Benchmark, Options, Report } from "./support/benchmark.ts";
import { allocator, main, nodeOptions } from "./support/darkroom.ts";
import { interleave } from "./support/load.ts";
import { endWithUs, scratchDirectory } from "./support/scratch.ts";

export const start: Benchmark = {
  name: "start",
  measures: "from the start of a process until it answers /health/ready, against node -e 0",
  run,
};

/** As `npm start` does it, but for npm: with the code's cache that the round before the first has filled. */
async function run({ rounds }: Options): Promise<Report> {
  const cache = scratchDirectory();
  const kept = scratchDirectory();
  const [used = [], fresh = [], nothing = []] = await interleave(rounds, [
    () => readyMs(kept, cache),
    () => readyMs(scratchDirectory(), cache),
    nothingMs,
  ]);
  const more = (ms: readonly number[]) => ms.map((value, round) => value - (nothing[round] ?? Number.NaN));
  const rows = [
    { what: "on a data directory that was used before", unit: "ms", measured: used, reference: nothing },
    { what: "on an empty data directory", unit: "ms", measured: fresh, reference: nothing },
    { what: "the same, more than node -e 0", unit: "ms", measured: more(fresh) },
  ];
  return { measured: "darkroom serve", reference: "node -e 0", rows };
}

async function readyMs(dataDir: string, cache: string): Promise<number> {
  const begin = performance.now();
  const own = {
    ...allocator,
    HOST: "127.0.0.1",
    PORT: "0",
    DARKROOM_DATA_DIR: dataDir,
    NODE_COMPILE_CACHE: cache,
    LOG_LEVEL: "error",
  };
  const child = spawn(process.execPath, [...nodeOptions, main, "serve", "--no-worker"], {
    env: { ...process.env, ...own },
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  endWithUs(child);
  let printed = "";
  let url: string | undefined;
  while (url === undefined) {
    printed += (await once(child.stdout, "data"))[0];
    url = /listens on (\S+?),?\s/.exec(printed)?.[1];
  }
  const { status } = await fetch(`${url}/health/ready`);
  const ms = performance.now() - begin;
  if (status !== 200) throw new Error(`it is not ready: ${status}`);
  child.stdout.resume();
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
  return ms;
}

async function nothingMs(): Promise<number> {
  const begin = performance.now();
  await once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit");
  return performance.now() - begin;
}
