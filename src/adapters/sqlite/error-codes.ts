/** The code of SQLite's error; 0 for any other error. */
export function codeOf(error: unknown): number {
  return (error as { errcode?: number }).errcode ?? 0;
}

/** The kind of error, which is the lowest byte of its code. The next byte tells the reason, such as another's recovery. */
export function kindOf(code: number): number {
  return code & 0xff;
}

/** SQLITE_BUSY: somebody else has the file, for whatever reason. */
export function isBusy(code: number): boolean {
  return kindOf(code) === 5;
}

/** SQLITE_IOERR, which a quota gives too, or SQLITE_FULL. */
export function isDiskFault(code: number): boolean {
  return [10, 13].includes(kindOf(code));
}

/** SQLITE_CONSTRAINT_PRIMARYKEY or SQLITE_CONSTRAINT_UNIQUE. */
export function isDuplicate(code: number): boolean {
  return [1555, 2067].includes(code);
}
