import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { main } from "./bundle.ts";

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly output: { stdout: string; stderr: string };
  readonly finished: Promise<Finished>;
  /** Resolves to what the pattern's group matched, once standard output has it. */
  printed(pattern: RegExp): Promise<string>;
}

/** The command line as a user runs it, of this tree or another's. It is killed when the test ends, if it has not ended. */
export function run(args: readonly string[], env: Readonly<Record<string, string>> = {}, entry = main): Running {
  return runCommand([process.execPath, entry, ...args], env);
}

/** The same where no file may become larger, as on a disk that is full. */
export function runCramped(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  fileMaxKiB: number,
): Running {
  return runInShell(`ulimit -f ${fileMaxKiB * 2} && exec "$@"`, args, env);
}

/** The same with its standard output in a file, or its standard error. */
export function runInto(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  fd: 1 | 2 = 1,
): Running {
  return runInShell(`exec "$@" ${fd}> ${file}`, args, env);
}

function runInShell(script: string, args: readonly string[], env: Readonly<Record<string, string>>): Running {
  return runCommand(["sh", "-c", script, "sh", process.execPath, main, ...args], env);
}

function runCommand([command = "", ...args]: readonly string[], env: Readonly<Record<string, string>>): Running {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own, as in a terminal.
    detached: true,
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output.stderr += chunk;
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const finished = once(child, "close").then(([code]): Finished => ({ code, ...output }));
  return {
    child,
    output,
    finished,
    async printed(pattern) {
      for (;;) {
        const found = pattern.exec(output.stdout)?.[1];
        if (found !== undefined) return found;
        const ended = await Promise.race([once(child.stdout, "data").then(() => false), finished.then(() => true)]);
        if (ended) throw new Error(`it ended without printing ${pattern}: ${output.stdout}${output.stderr}`);
      }
    },
  };
}

export interface ServerProcess extends Running {
  readonly url: string;
}

/** `darkroom serve` on a free port. */
export async function runServer(
  dataDir: string,
  env: Readonly<Record<string, string>> = {},
  entry = main,
): Promise<ServerProcess> {
  const running = run(["serve"], { PORT: "0", DARKROOM_DATA_DIR: dataDir, LOG_LEVEL: "error", ...env }, entry);
  return { ...running, url: await running.printed(/listens on (\S+),/) };
}

/** The ids of its processes, with blanks between. */
export function childrenOf({ child: { pid } }: Pick<Running, "child">): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
}
