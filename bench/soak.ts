import { loadavg } from "node:os";
import { setInterval as ticks } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { type Server, type SignedIn, startDarkroom } from "./support/darkroom.ts";
import { load, openCallers } from "./support/load.ts";
import { describeMachine } from "./support/machine.ts";
import { fewJobs, mixedCalls } from "./support/mixed.ts";
import { offer } from "./support/open-loop.ts";
import { cleanUpAtExit } from "./support/scratch.ts";
import { risesIn, type Stretch } from "./support/soak-verdict.ts";
import { percentile } from "./support/statistics.ts";

/** A server under 70 % of what it can carry, for as long as one likes: whether its memory and its latency stay as they are. */

const share = 0.7;
const capacityCallers = 64;
const connections = 256;
const loginEveryMs = 2000;
const columns = ["minute", "calls/s", "refused/s", "p50 ms", "p99 ms", "CPU µs", "live MiB", "resident MiB", "load"];

cleanUpAtExit();
new Command("soak")
  .description("Loads a server with 70 % of what it can carry. Exits with 1 when its memory or its latency rises.")
  .option("--minutes <n>", "how long", positive, 10)
  .option("--every <seconds>", "how often to tell", positive, 30)
  .action(soak)
  .parseAsync()
  .catch((error: Error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  });

async function soak({ minutes, every }: { minutes: number; every: number }): Promise<void> {
  for (const [what, value] of describeMachine()) say(`${what}: ${value}`);
  const server = await startDarkroom();
  const { calls, who } = await mixedCalls(server, fewJobs);
  const stopLogins = keepLoggingIn(server, who);
  const perSecond = share * (await capacity(server, calls, (every * 1000) / 10));
  say(`Calls a second: ${Math.round(perSecond)}, which is ${share * 100} % of what it can carry`);
  say(`\n${row(columns)}\n${row(columns.map((name) => `${"-".repeat(name.length - 1)}:`))}`);
  const callers = await openCallers(server.url, 1, connections);
  const stretches: Stretch[] = [];
  for (let done = 0; done < minutes * 60; done += every) {
    const ms = Math.min(minutes * 60 - done, every) * 1000;
    stretches.push(await stretch(server, callers, { perSecond, ms, minute: (done + ms / 1000) / 60 }));
  }
  stopLogins();
  await server.stop();
  judge(stretches);
}

/** By a new account, since an access token lives for a quarter of an hour. */
async function stretch(
  server: Server,
  callers: Parameters<typeof offer>[0],
  { minute, ...pace }: { readonly perSecond: number; readonly ms: number; readonly minute: number },
): Promise<Stretch> {
  const { calls } = await mixedCalls(server, fewJobs);
  const before = await server.usage();
  const { latencies, good, refused } = await offer(callers, calls, pace);
  const after = await server.usage();
  const [p50, p99] = [percentile(latencies, 50), percentile(latencies, 99)];
  const cpuUs = (after.cpuUs - before.cpuUs) / latencies.length;
  const liveMiB = (await server.liveBytes()) / 2 ** 20;
  const residentMiB = (await server.usage()).residentBytes / 2 ** 20;
  const numbers = [p50, p99, cpuUs, liveMiB, residentMiB, loadavg()[0] ?? 0];
  say(row([minute.toFixed(1), good.toFixed(0), refused.toFixed(0), ...numbers.map((value) => value.toFixed(1))]));
  return { p50, p99, cpuUs, liveMiB, residentMiB };
}

async function capacity(server: Server, calls: Parameters<typeof load>[2], ms: number): Promise<number> {
  const callers = await openCallers(server.url, 1, capacityCallers);
  await load(server, callers, calls, ms);
  const { perSecond } = await load(server, callers, calls, ms);
  for (const caller of callers) caller.close();
  return perSecond;
}

function keepLoggingIn({ auth }: Server, { username, password }: SignedIn): () => void {
  const stopping = new AbortController();
  void (async () => {
    for await (const _ of ticks(loginEveryMs, undefined, { signal: stopping.signal }))
      await auth.login({ identity: username, password });
  })().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  return () => stopping.abort();
}

function judge(stretches: readonly Stretch[]): void {
  const rises = risesIn(stretches);
  if (rises === undefined) say("\nToo short to tell.");
  else if (rises.length === 0) say("\nFlat: memory and latency stay as they are.");
  else
    say(
      `\nRising: ${rises.map(({ what, from, to }) => `${what} from ${from.toFixed(1)} to ${to.toFixed(1)}`).join(", ")}`,
    );
  process.exit(rises !== undefined && rises.length > 0 ? 1 : 0);
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell, column) => cell.padStart(columns[column]?.length ?? 0)).join(" | ")} |`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("it must be more than 0");
  return value;
}
