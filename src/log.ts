import pino from "pino";
import type { Log } from "./ports/log.ts";

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Never written out, wherever they stand: an error's cause may carry a request. */
const secretFields = ["authorization", "cookie", "password", "token", "credential", "refreshToken", "accessToken"];

export interface RootLog extends Log {
  /** Writes out what is still held back. */
  flush(): void;
}

/** JSON lines to standard error, gathered and written off the hot path. */
export function createLog(level: LogLevel): RootLog {
  const destination = pino.destination({ fd: 2, sync: false, minLength: 0 });
  const log = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
    },
    destination,
  );
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    flush: () => destination.flushSync(),
  };
}
