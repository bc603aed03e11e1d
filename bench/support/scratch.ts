import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const directories = new Set<string>();
const children = new Set<ChildProcess>();

/** An empty directory that is gone when this process is; `TMPDIR` chooses its disk. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "darkroom-bench-"));
  directories.add(directory);
  return directory;
}

/** Before the end, since a million jobs need more than a gigabyte. */
export function removeScratch(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  directories.delete(directory);
}

/** The child and its own children end when this process does; it must lead a process group (`detached`). */
export function endWithUs(child: ChildProcess): void {
  children.add(child);
  child.once("exit", () => children.delete(child));
}

/** Cleans up however this process ends, but by SIGKILL. All of it is synchronous, so that no signal finds it half done. */
export function cleanUpAtExit(): void {
  process.on("exit", () => {
    for (const { pid } of children) killGroup(pid);
    for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const, ["SIGHUP", 129] as const]) {
    process.on(signal, () => process.exit(code));
  }
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
