import { execFileSync } from "node:child_process";

/**
 * Fails when the protos break what they promised in any of the last commits that changed them: callers of each of those
 * may be in use.
 */
const commitsMax = 20;

const git = (...args: string[]) => execFileSync("git", args, { encoding: "utf8" });
const commits = git("log", `--max-count=${commitsMax}`, "--format=%H", "--", "proto").split("\n").filter(Boolean);
for (const commit of commits) {
  const earlier = `.git#ref=${commit},subdir=proto`;
  execFileSync("buf", ["breaking", "proto", "--against", earlier], { stdio: "inherit" });
}
process.stdout.write(`The protos break nothing since ${commits.length} changes.\n`);
