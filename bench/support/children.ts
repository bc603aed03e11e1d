import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LoopDelay, Question, Usage } from "./probe.ts";
import { endWithUs } from "./scratch.ts";

const probe = join(import.meta.dirname, "probe.ts");
const stopMs = 20_000;
const quietLookMs = 150;
/** Share of one core. */
const quietShare = 0.05;

/** A process that is measured. */
export interface Child {
  /** What its first line names as its address; empty when it listens nowhere. */
  readonly url: string;
  usage(): Promise<Usage>;
  /** Bytes, after a collection of garbage. */
  liveBytes(): Promise<number>;
  /** From then on `loopDelay` can be asked. */
  watchLoop(): Promise<void>;
  loopDelay(): Promise<LoopDelay>;
  /** Sends a message of the child's own protocol; resolves to its answer. */
  ask(message: unknown): Promise<unknown>;
  /** Resolves when it has next to nothing left to do, or after `atMostMs`. */
  quiet(atMostMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** Runs `node FILE ARGS`; resolves when it has printed a line with its address, or `ready`. Standard error goes to `log`. */
export async function startChild(
  command: readonly string[],
  { env = {}, log = "/dev/null" }: { env?: Readonly<Record<string, string>>; log?: string } = {},
): Promise<Child> {
  const errors = openSync(log, "a");
  const child = spawn(process.execPath, ["--import", probe, ...command], {
    env: { ...process.env, ...env },
    detached: true,
    stdio: ["ignore", "pipe", errors, "ipc"],
  });
  closeSync(errors);
  endWithUs(child);
  let stopping = false;
  child.once("exit", (code, signal) => {
    // Whatever is being measured is worth nothing now.
    if (!stopping) throw new Error(`${command.join(" ")} ended by itself (${code ?? signal}); its log is ${log}`);
  });
  const url = await addressOf(child);
  let last: Promise<unknown> = Promise.resolve();
  const ask = (message: unknown) => {
    last = last.then(async () => {
      const answer = once(child, "message");
      child.send(message as string);
      return (await answer)[0];
    });
    return last;
  };
  const askProbe = (question: Question) => ask(question);
  const usage = async () => (await askProbe("usage")) as Usage;

  return {
    url,
    usage,
    ask,
    liveBytes: async () => (await askProbe("live")) as number,
    watchLoop: async () => void (await askProbe("watchLoop")),
    loopDelay: async () => (await askProbe("loopDelay")) as LoopDelay,
    async quiet(atMostMs) {
      const end = performance.now() + atMostMs;
      for (let before = (await usage()).cpuUs; performance.now() < end; ) {
        await sleep(quietLookMs);
        const now = (await usage()).cpuUs;
        if (now - before < quietLookMs * 1000 * quietShare) return;
        before = now;
      }
    },
    async stop() {
      stopping = true;
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      const cut = setTimeout(() => child.kill("SIGKILL"), stopMs);
      await exited;
      clearTimeout(cut);
    },
  };
}

async function addressOf(child: ChildProcess): Promise<string> {
  let printed = "";
  for await (const chunk of child.stdout ?? []) {
    printed += chunk;
    const found = /listens on (\S+?),?\s|^ready\n/.exec(printed);
    if (found === null) continue;
    return found[1] ?? "";
  }
  throw new Error(`it ended before it was ready: ${printed}`);
}
