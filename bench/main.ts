import { writeFileSync } from "node:fs";
import { Argument, Command, InvalidArgumentError } from "commander";
import { checkAuth } from "./check-auth.ts";
import { credentials } from "./credentials.ts";
import { downloads } from "./downloads.ts";
import { eventLoop } from "./event-loop.ts";
import { knownNames } from "./known-names.ts";
import { logins } from "./logins.ts";
import { manyJobs } from "./many-jobs.ts";
import { memory } from "./memory.ts";
import { overload } from "./overload.ts";
import { sessionValidation } from "./session-validation.ts";
import { start } from "./start.ts";
import { submitToResult } from "./submit-to-result.ts";
import { submits } from "./submits.ts";
import type { Benchmark, Report } from "./support/benchmark.ts";
import { describeMachine } from "./support/machine.ts";
import { cleanUpAtExit } from "./support/scratch.ts";
import { ratios, summarise } from "./support/statistics.ts";
import { table } from "./support/table.ts";
import { unaryEcho } from "./unary-echo.ts";
import { underLogins } from "./under-logins.ts";
import { validate } from "./validate.ts";
import { workers } from "./workers.ts";

const benchmarks: readonly Benchmark[] = [
  unaryEcho,
  checkAuth,
  validate,
  credentials,
  sessionValidation,
  logins,
  knownNames,
  submits,
  submitToResult,
  workers,
  downloads,
  eventLoop,
  underLogins,
  overload,
  manyJobs,
  start,
  memory,
];
const list = benchmarks.map(({ name, measures }) => `  ${name.padEnd(20)}${measures}`).join("\n");

cleanUpAtExit();
new Command("bench")
  .description("Measures Darkroom on this machine, each side of a comparison in turn.")
  .addArgument(new Argument("[names...]", "which; all when none is named").choices(benchmarks.map(({ name }) => name)))
  .option("--rounds <n>", "rounds that count", rounds, 5)
  .option("--json <file>", "writes every number to a file")
  .addHelpText("after", `\nBenchmarks:\n${list}`)
  .action(bench)
  .parseAsync()
  .then(() => process.exit(0), fail);

async function bench(names: readonly string[], options: { rounds: number; json?: string }): Promise<void> {
  const machine = describeMachine();
  process.stdout.write(`${machine.map(([what, value]) => `${what}: ${value}`).join("\n")}\n`);
  process.stdout.write(`Medians of ${options.rounds} rounds (least–most); a ratio is taken round by round.\n`);
  const results = [];
  for (const { name, measures, run } of benchmarks) {
    if (names.length > 0 && !names.includes(name)) continue;
    process.stdout.write(`\n## ${name}: ${measures}\n`);
    const begin = performance.now();
    const report = await run(options);
    process.stdout.write(`${table(report)}\n\n(${Math.round((performance.now() - begin) / 1000)} s)\n`);
    results.push({ name, measures, ...withSummaries(report) });
  }
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ machine: Object.fromEntries(machine), results }, undefined, 2)}\n`);
  }
}

function withSummaries({ rows, ...report }: Report) {
  const summarised = rows.map((row) => ({
    ...row,
    measuredSummary: summarise(row.measured),
    ...(row.reference && {
      referenceSummary: summarise(row.reference),
      ratioSummary: summarise(ratios(row.measured, row.reference)),
    }),
  }));
  return { ...report, rows: summarised };
}

function rounds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("it must be a whole number from 1");
  return value;
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}
