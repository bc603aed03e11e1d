type Write = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** Structured log lines. Fields never hold a credential. */
export interface Log {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
}
