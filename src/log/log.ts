import pino from "pino";
import type { Log } from "../ports/log.ts";
import { openOutput } from "./output.ts";

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Never written out, wherever they stand: an error's cause may carry a request. */
const secretFields = ["authorization", "cookie", "password", "token", "credential", "refreshToken", "accessToken"];
const secrets: ReadonlySet<string> = new Set(secretFields);

/**
 * Lines are formatted and written many at a time: the code for it is warm then, and each write wakes a thread and the
 * reader.
 */
const gatherMs = 100;
const gatherMax = 256;

type Fields = Parameters<Log["info"]>[0];

export interface RootLog extends Log {
  /** Writes out what is still held back. */
  flush(): void;
}

/** JSON lines to standard error, written off the hot path, within 100 ms. */
export function createLog(level: LogLevel): RootLog {
  const lines = gatherLines((lost) => log.warn({ lines: lost }, "lines of the log were lost, since nothing took them"));
  const now = createClock();
  const log = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${now()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
    },
    lines,
  );
  function writer(at: "debug" | "info" | "warn" | "error"): Log["info"] {
    return (fields, msg) => {
      if (!log.isLevelEnabled(at)) return;
      if (isPlain(fields)) lines.write({ level: at, time: now(), fields, msg });
      else log[at](fields, msg);
    };
  }
  return {
    debug: writer("debug"),
    info: writer("info"),
    warn: writer("warn"),
    error: writer("error"),
    flush: lines.flush,
  };
}

/** Whether no field needs redaction or serialisation. pino's search for secrets takes longer than a whole small call. */
function isPlain(fields: Fields): boolean {
  for (const name in fields) {
    const type = typeof fields[name];
    if (type === "object" || type === "bigint" || secrets.has(name)) return false;
  }
  return true;
}

interface PlainLine {
  readonly level: string;
  readonly time: string;
  readonly fields: Fields;
  readonly msg: string;
}

/** As pino writes it. */
function textOf(line: PlainLine | string): string {
  if (typeof line === "string") return line;
  const own = JSON.stringify(line.fields).slice(1, -1);
  return `{"level":"${line.level}","time":"${line.time}"${own && `,${own}`},"msg":${JSON.stringify(line.msg)}}\n`;
}

function gatherLines(onLost: (lines: number) => void) {
  const output = openOutput(onLost);
  const lines: (PlainLine | string)[] = [];
  let timer: NodeJS.Timeout | undefined;
  function take(): string {
    clearTimeout(timer);
    timer = undefined;
    return lines.splice(0).map(textOf).join("");
  }
  function pass(): void {
    const count = lines.length;
    output.write(take(), count);
  }
  return {
    write(line: PlainLine | string): void {
      if (lines.push(line) >= gatherMax) pass();
      else if (timer === undefined) timer = setTimeout(pass, gatherMs).unref();
    },
    flush: () => output.flush(take),
  };
}

/** The time as text, formatted once for each millisecond. */
function createClock(): () => string {
  let last = 0;
  let text = "";
  return () => {
    const now = Date.now();
    if (now !== last) text = new Date(now).toISOString();
    last = now;
    return text;
  };
}
