import { createLog, type LogLevel, type RootLog } from "./log/log.ts";
import { DomainError } from "./model/errors.ts";
import { UserError } from "./user-error.ts";

/** Opens a log that writes out its waiting lines when the process ends. */
export function openLog(level: LogLevel): RootLog {
  const log = createLog(level);
  process.once("exit", log.flush);
  return log;
}

/**
 * One request to stop may arrive several times within this time: from the terminal, from npm, and from the server to
 * its worker.
 */
const sameWishMs = 1000;

/** How long a stop may take, all its parts together. Whoever runs us gives 30 s, as docs/operations.md says. */
const stopMs = 25_000;

/** Tells of each part as it begins to wait for it. */
type Stop = (onPart: (part: string) => void) => Promise<void>;

/**
 * Stops in order at the first signal, as soon as `stop` is known; a second request, after `sameWishMs`, ends the
 * process at once, and so does the end of `stopMs`. During a start any signal does: what it has opened survives a
 * crash. Without a listener, a container's first process would ignore the signal. A closed terminal sends SIGHUP, which
 * is a request to stop too unless `onHangUp` is given.
 */
export function onSignal(what: "server" | "worker", log: RootLog, onHangUp?: () => void) {
  let stop: Stop | undefined;
  let part = "its start";
  let firstAt: number | undefined;
  const listener = (signal: string, number: number) => {
    if (stop === undefined) process.exit(128 + number);
    const now = performance.now();
    if (firstAt !== undefined && now - firstAt > sameWishMs) process.exit(1);
    if (firstAt !== undefined) return;
    firstAt = now;
    log.info({ what, signal }, "stopping");
    setTimeout(() => {
      log.error({ what, waits_for: part }, "the process ends: its stop took too long");
      process.exit(1);
    }, stopMs);
    stop((next) => {
      part = next;
    }).then(() => {
      log.info({ what }, "stopped");
      process.exit(0);
    }, fail);
  };
  process.on("SIGTERM", listener).on("SIGINT", listener);
  process.on("SIGHUP", onHangUp ?? listener);
  return (how: Stop) => {
    stop = how;
  };
}

/** After an unforeseen fault the state is unknown: the process ends, and its supervisor starts another. */
export function surviveNothing(log: RootLog): void {
  process.on("uncaughtException", (error) => {
    log.error({ err: error }, "the process ends: a fault that nobody foresaw");
    process.exit(1);
  });
}

/** What is foreseen is told in one line, which says what to do; for any other error the stack is for us. */
export function fail(error: unknown): void {
  process.stderr.write(`${textOf(error)}\n`, () => process.exit(1));
}

function textOf(error: unknown): string | undefined {
  if (error instanceof UserError || error instanceof DomainError) return `darkroom: ${error.message}`;
  return error instanceof Error ? error.stack : String(error);
}
