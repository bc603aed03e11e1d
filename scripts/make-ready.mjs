// Runs before whatever runs the server, by whatever Node the machine has: installs what is missing, bundles what is new.
import { spawnSync } from "node:child_process";
import "./install-when-stale.mjs";

if (process.exitCode === undefined) {
  // The project's own Node, which may have come just now: npm puts it first in the PATH.
  const { status } = spawnSync("node", ["scripts/bundle.ts"], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}
