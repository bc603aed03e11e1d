import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, test } from "vitest";
import { buildFerretdb } from "../../scripts/build-ferretdb.ts";
import { hasCommand } from "./commands.ts";
import { scratchDirectory } from "./scratch.ts";

/** Tests on a database server of their own, which they may take away; skipped where it cannot be built. */
export function describeOnFerretdb(name: string, tests: (ferretdb: Ferretdb) => void | Promise<void>): void {
  if (hasCommand("go")) describe(name, async () => tests(await startFerretdb()));
  else test.skip(`${name}: Go is not installed, so FerretDB cannot be built`);
}

/** A database server that can be taken away. */
export interface Ferretdb {
  readonly uri: string;
  /** Holds it still: connections stay open, and nothing answers. */
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** It reads, and refuses what is written to `database`, as with a full disk. Returns what ends that. */
  refuseWrites(database: string): () => void;
  /** Again, on the same port and data, if it is not running. */
  start(): Promise<void>;
}

/** A server of its own for all tests of the suite that asks for it. */
export async function startFerretdb(): Promise<Ferretdb> {
  const program = await buildFerretdb();
  const directory = scratchDirectory(afterAll);
  let running: ChildProcess | undefined;
  let port = "0";

  const isRunning = () => running?.exitCode === null && running.signalCode === null;

  async function start(): Promise<void> {
    if (isRunning()) return;
    const child = spawn(
      program,
      [
        "--handler=sqlite",
        `--sqlite-url=file:${directory}/`,
        `--listen-addr=127.0.0.1:${port}`,
        `--state-dir=${directory}`,
        "--telemetry=disable",
        "--debug-addr=-",
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    running = child;
    let printed = "";
    for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
      printed += chunk;
      const listening = /Listening on TCP 127\.0\.0\.1:(\d+)/.exec(printed);
      if (listening === null) continue;
      port = listening[1] ?? "";
      // What it says from here on nobody needs; it must not block it. The iterator's listener would hold up a resume().
      child.stderr.on("data", () => {});
      return;
    }
    throw new Error(`FerretDB did not start: ${printed}`);
  }

  async function kill(): Promise<void> {
    if (running === undefined || !isRunning()) return;
    const exited = once(running, "exit");
    running.kill("SIGKILL");
    await exited;
  }

  function refuseWrites(database: string): () => void {
    const file = new DatabaseSync(join(directory, `${database}.sqlite`), { timeout: 10_000 });
    const tables = file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    const triggers = tables.flatMap(({ name }) =>
      ["INSERT", "UPDATE"].map((write) => [`full ${name} ${write}`, write, name]),
    );
    const refusal = "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END";
    for (const [trigger, write, name] of triggers)
      file.exec(`CREATE TRIGGER "${trigger}" BEFORE ${write} ON "${name}" ${refusal}`);
    return () => {
      if (!file.isOpen) return;
      for (const [trigger] of triggers) file.exec(`DROP TRIGGER "${trigger}"`);
      file.close();
    };
  }

  await start();
  afterAll(kill);
  return {
    uri: `mongodb://127.0.0.1:${port}/`,
    pause: () => void running?.kill("SIGSTOP"),
    resume: () => void running?.kill("SIGCONT"),
    kill,
    start,
    refuseWrites,
  };
}
