import { createLog, type LogLevel, type RootLog } from "./log/log.ts";
import { UserError } from "./user-error.ts";

/** Whatever it holds back is written when the process ends. */
export function openLog(level: LogLevel): RootLog {
  const log = createLog(level);
  process.once("exit", log.flush);
  return log;
}

/** One request to stop arrives several times: from the terminal, from npm, and from the server to its worker. */
const sameWishMs = 1000;

/**
 * Stops at the first signal, in order, as soon as it is told how; at one that is another wish, at once. A start ends at
 * any: what it has opened survives a crash. Left to itself, a container's first process would ignore the signal. A terminal
 * that is closed hangs up, which is the same wish unless something else is to be done.
 */
export function onSignal(what: "server" | "worker", log: RootLog, onHangUp?: () => void) {
  let stop: (() => Promise<void>) | undefined;
  let firstAt: number | undefined;
  const listener = (signal: string, number: number) => {
    if (stop === undefined) process.exit(128 + number);
    const now = performance.now();
    if (firstAt !== undefined && now - firstAt > sameWishMs) process.exit(1);
    if (firstAt !== undefined) return;
    firstAt = now;
    log.info({ what, signal }, "stopping");
    stop().then(() => {
      log.info({ what }, "stopped");
      process.exit(0);
    }, fail);
  };
  process.on("SIGTERM", listener).on("SIGINT", listener);
  process.on("SIGHUP", onHangUp ?? listener);
  return (how: () => Promise<void>) => {
    stop = how;
  };
}

/** After a fault nobody foresaw the state is unknown: the process ends, and what runs it starts another. */
export function surviveNothing(log: RootLog): void {
  process.on("uncaughtException", (error) => {
    log.error({ err: error }, "the process ends: a fault that nobody foresaw");
    process.exit(1);
  });
}

/** What an operator is told is for them to mend; of all else the stack is for us. */
export function fail(error: unknown): void {
  const text =
    error instanceof UserError ? `darkroom: ${error.message}` : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${text}\n`, () => process.exit(1));
}
