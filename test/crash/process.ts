import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { main } from "../support/bundle.ts";

/** A process that is killed and started again, with the same arguments and environment. */
export class Mortal {
  readonly #args: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  /** What it said on standard error, of all its lives: faults that nobody foresaw are there. */
  errors = "";

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#args = args;
    this.#env = env;
  }

  start(): void {
    const env = { ...process.env, LOG_LEVEL: "error", ...this.#env };
    this.#child = spawn(process.execPath, [main, ...this.#args], { env, stdio: ["ignore", "ignore", "pipe"] });
    this.#child.stderr?.on("data", (chunk) => {
      this.errors += chunk;
    });
  }

  /** Whether it ended by itself, which it never should. */
  get hasEnded(): boolean {
    return this.#child?.exitCode !== null && this.#child?.exitCode !== undefined;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
