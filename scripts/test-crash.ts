import { spawnSync } from "node:child_process";
import { Command } from "commander";

const { seed, minutes } = new Command("test:crash")
  .description("Kills servers and workers at random, and sees that nothing is lost.")
  .option("--seed <n>", "makes the same faults again", String(Date.now() % 1_000_000))
  .option("--minutes <n>", "how long things go wrong, on each pair of engines", "2")
  .parse()
  .opts<{ seed: string; minutes: string }>();

const env = { ...process.env, CRASH_SEED: seed, CRASH_MINUTES: minutes };
const { status } = spawnSync("vitest", ["run", "--project", "all", "test/crash"], { env, stdio: "inherit" });
process.exitCode = status ?? 1;
