import { availableParallelism } from "node:os";
import bcrypt from "bcrypt";
import type { Benchmark, Options, Report } from "./support/benchmark.ts";
import { signIn, startDarkroom } from "./support/darkroom.ts";
import { interleave } from "./support/load.ts";

const callers = 8;
const sideMs = 3000;
const cost = 12;

export const logins: Benchmark = {
  name: "logins",
  measures:
    "logins a second by 8 callers, against bcrypt's comparisons of the same cost in this process, as many at a time",
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const who = await signIn(server);
  const hash = await bcrypt.hash(who.password, cost);
  const atOnce = Math.min(callers, availableParallelism());
  const login = () => server.auth.login({ identity: who.username, password: who.password });
  const sides = [() => perSecond(callers, login), () => perSecond(atOnce, () => bcrypt.compare(who.password, hash))];
  const [measured = [], reference = []] = await interleave(rounds, sides);
  await server.stop();
  return {
    measured: "Darkroom",
    reference: "bcrypt alone",
    rows: [{ what: "logins", unit: "logins/s", measured, reference }],
  };
}

async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let done = 0;
  const one = async () => {
    while (performance.now() - start < sideMs) {
      await work();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: count }, one));
  return done / ((performance.now() - start) / 1000);
}
