import { spawnSync } from "node:child_process";

/** Whether the machine has this program. In CI it must. */
export function hasCommand(name: string): boolean {
  const found = spawnSync("sh", ["-c", 'command -v "$0"', name]).status === 0;
  if (!found && process.env.CI === "true") throw new Error(`${name} is not installed, and CI skips nothing`);
  return found;
}
