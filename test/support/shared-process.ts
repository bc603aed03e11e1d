import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterAll } from "vitest";
import { allocator, nodeOptions } from "../../bench/support/darkroom.ts";
import { connect, type Darkroom } from "../../src/client/index.ts";
import { main } from "./bundle.ts";
import { scratchDirectory } from "./scratch.ts";
import { adminPassword } from "./server.ts";

export interface ServerProcess extends Darkroom {
  readonly url: string;
  isAlive(): boolean;
  signal(name: NodeJS.Signals): void;
  /** Bytes of memory; NaN where the system does not tell. */
  memory(): number;
}

/** `darkroom serve --no-worker` as `npm start` runs it, in a process of its own, for all tests of the file that asks for it. */
export async function shareServerProcess(env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const dataDir = scratchDirectory(afterAll);
  const child = spawn(process.execPath, [...nodeOptions, main, "serve", "--no-worker"], {
    env: {
      ...process.env,
      ...allocator,
      PORT: "0",
      DARKROOM_DATA_DIR: dataDir,
      DARKROOM_ADMIN_PASSWORD: adminPassword,
      LOG_LEVEL: "error",
      ...env,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  afterAll(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const [banner] = await once(child.stdout, "data");
  const url = /listens on (\S+),/.exec(String(banner))?.[1] ?? "";
  return {
    url,
    ...connect(url),
    signal: (name) => void child.kill(name),
    isAlive: () => child.exitCode === null && child.signalCode === null,
    memory: () => (process.platform === "linux" ? residentBytes(child.pid) : Number.NaN),
  };
}

function residentBytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
