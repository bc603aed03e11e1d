import { DatabaseSync } from "node:sqlite";
import { codeOf, kindOf } from "./error-codes.ts";

/** Not a database, or not one that has users as PocketBase keeps them. */
export class NotPocketBase extends Error {
  override readonly name = "NotPocketBase";
}

/** SQLITE_CORRUPT, SQLITE_CANTOPEN, SQLITE_NOTADB. */
const reasons: Readonly<Record<number, string>> = {
  11: "is damaged: copy it once more while PocketBase is stopped",
  14: "cannot be opened: it and its folder must be readable, and the folder writable while it has a -wal file",
  26: "is no SQLite database",
};
const busyMs = 5000;

/**
 * PocketBase's users in the order in which they were made, a row each, with those of the `wanted` columns that there are,
 * read as they are asked for. The file is only read, as it is when it is opened. Throws NotPocketBase.
 */
export function* pocketbaseUsers(path: string, wanted: readonly string[]): Generator<Record<string, unknown>> {
  try {
    using db = new DatabaseSync(path, { readOnly: true, timeout: busyMs });
    const columns = columnsOf(db).filter((column) => wanted.includes(column));
    if (columns.length === 0) throw new NotPocketBase("has no table users");
    yield* db.prepare(`SELECT ${columns.join(", ")} FROM users ORDER BY rowid`).iterate();
  } catch (error) {
    const reason = reasons[kindOf(codeOf(error))];
    throw reason === undefined ? error : new NotPocketBase(reason);
  }
}

function columnsOf(db: DatabaseSync): string[] {
  const rows = db.prepare("SELECT name FROM pragma_table_info('users')").all();
  return rows.map(({ name }) => String(name));
}
