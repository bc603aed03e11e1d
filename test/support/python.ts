import { join } from "node:path";
import { sh } from "./consumer.ts";

/** A Python of its own in the directory, with these packages. */
export async function pythonWith(directory: string, packages: readonly string[]): Promise<string> {
  await sh("python3", ["-m", "venv", ".venv"], { cwd: directory });
  const python = join(directory, ".venv/bin/python");
  await sh(python, ["-m", "pip", "install", "--quiet", ...packages], { cwd: directory });
  return python;
}
