import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { project, sh } from "../support/consumer.ts";

const environment = join(project, ".cache/deploy-checks");
let ready: Promise<unknown> | undefined;

/** A program of a Python environment with requirements.txt, which is made once; resolves to what it prints. */
export async function checker(program: string, ...args: string[]): Promise<string> {
  ready ??= install();
  await ready;
  return (await sh(join(environment, "bin", program), args, { cwd: project })).stdout;
}

async function install(): Promise<void> {
  if (existsSync(join(environment, "installed"))) return;
  mkdirSync(join(environment, ".."), { recursive: true });
  await sh("python3", ["-m", "venv", "--clear", environment]);
  const requirements = join(import.meta.dirname, "requirements.txt");
  await sh(join(environment, "bin/pip"), ["install", "--quiet", "--requirement", requirements]);
  mkdirSync(join(environment, "installed"));
}
