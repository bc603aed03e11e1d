import { setInterval as every } from "node:timers/promises";
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
const columns = ["minute", "calls/s", "refused/s", "p50 ms", "p99 ms", "live MiB", "resident MiB"];

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
  say(
    describeMachine()
      .map(([what, value]) => `${what}: ${value}`)
      .join("\n"),
  );
  const server = await startDarkroom();
  const { calls, who } = await mixedCalls(server, fewJobs);
  const stopLogins = keepLoggingIn(server, who);
  const perSecond = share * (await capacity(server, calls, (every * 1000) / 10));
  say(`Calls a second: ${Math.round(perSecond)}, which is ${share * 100} % of what it can carry`);
  say(`\n${row(columns)}\n${row(columns.map((name) => `${"-".repeat(name.length - 1)}:`))}`);
  const callers = await openCallers(server.url, 1, connections);
  const stretches: Stretch[] = [];
  for (let left = minutes * 60; left > 0; left -= every) {
    const { latencies, good, refused } = await offer(callers, calls, { perSecond, ms: Math.min(left, every) * 1000 });
    const stretch = { ...(await memoryOf(server)), p50: percentile(latencies, 50), p99: percentile(latencies, 99) };
    stretches.push(stretch);
    const minute = minutes - Math.max(0, left - every) / 60;
    const { p50, p99, liveMiB, residentMiB } = stretch;
    const numbers = [minute, p50, p99, liveMiB, residentMiB].map((value) => value.toFixed(1));
    say(row([numbers[0] ?? "", good.toFixed(0), refused.toFixed(0), ...numbers.slice(1)]));
  }
  stopLogins();
  await server.stop();
  judge(stretches);
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
    for await (const _ of every(loginEveryMs, undefined, { signal: stopping.signal }))
      await auth.login({ identity: username, password });
  })().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  return () => stopping.abort();
}

async function memoryOf(server: Server) {
  const liveMiB = (await server.liveBytes()) / 2 ** 20;
  return { liveMiB, residentMiB: (await server.usage()).residentBytes / 2 ** 20 };
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
