import { execFileSync, spawnSync } from "node:child_process";

/**
 * Fails when the protos break what they promised in any of the last commits that changed them: callers of each of those
 * may be in use.
 */
const commitsMax = 20;

const history = ["log", `--max-count=${commitsMax}`, "--format=%H", "--", "proto"];
const commits = execFileSync("git", history, { encoding: "utf8" }).split("\n").filter(Boolean);
const faults = new Set<string>();
const broken = commits.filter((commit) => {
  const earlier = ["--against", `.git#ref=${commit},subdir=proto`];
  const { status, stdout } = spawnSync("buf", ["breaking", "proto", ...earlier], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  for (const fault of stdout.split("\n").filter(Boolean)) faults.add(fault);
  return status !== 0;
});
for (const fault of faults) process.stderr.write(`${fault}\n`);
process.stdout.write(`The protos break ${broken.length} of the last ${commits.length} versions of them.\n`);
process.exitCode = broken.length === 0 ? 0 : 1;
