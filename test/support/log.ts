import type { Log } from "../../src/ports/log.ts";

export interface LogLine {
  readonly level: keyof Log;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** Keeps what is written. */
export function recordingLog(): Log & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const write = (level: keyof Log) => (fields: LogLine["fields"], message: string) =>
    void lines.push({ level, fields, message });
  return { lines, debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
