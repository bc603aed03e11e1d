import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { codeOf, isBusy } from "./error-codes.ts";

/** The thread that writes; see database.ts for the other side. */

/** Between two tries for another process's lock, usually held for less than a millisecond. SQLite itself waits longer. */
const againMs = 0.2;
const never = new Int32Array(new SharedArrayBuffer(4));

export interface Opening {
  readonly path: string;
  readonly migrations: readonly string[];
  readonly busyMs: number;
}

export type Row = Record<string, SQLInputValue>;

export interface Statement {
  readonly sql: string;
  readonly params: readonly SQLInputValue[];
}

/** Statements that are run together or not at all. */
export type Unit = readonly Statement[];

export interface Written {
  readonly rows: Row[];
  readonly error?: { readonly code: number; readonly message: string };
}

/** The results of units, in their order. */
export type Commit = readonly Written[];

if (parentPort !== null) serve(parentPort, workerData as Opening);

function serve(port: NonNullable<typeof parentPort>, opening: Opening): void {
  const db = open(opening);
  const statements = new Map<string, StatementSync>();
  let gathered: Unit[] = [];
  let closing = false;

  function prepare(sql: string): StatementSync {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = db.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  }

  function run(unit: Unit): Written {
    const isMany = unit.length > 1;
    try {
      if (isMany) db.exec("SAVEPOINT unit");
      let rows: Row[] = [];
      for (const { sql, params } of unit) rows = prepare(sql).all(...params) as Row[];
      if (isMany) db.exec("RELEASE unit");
      return { rows };
    } catch (error) {
      // On a full disk SQLite rolls back the whole transaction, so the units before this one are lost too: all fail.
      if (!db.isTransaction) throw error;
      if (isMany) db.exec("ROLLBACK TO unit; RELEASE unit");
      return { rows: [], error: described(error) };
    }
  }

  function commit(): void {
    const units = gathered;
    gathered = [];
    port.postMessage(commitAll(db, units, run, opening.busyMs));
    if (closing) {
      db.close();
      port.close();
    }
  }

  port.on("message", (message: readonly Unit[] | "close") => {
    if (gathered.length === 0 && !closing) setImmediate(commit);
    if (message === "close") closing = true;
    else gathered.push(...message);
  });
  port.postMessage("open");
}

function commitAll(db: DatabaseSync, units: readonly Unit[], run: (unit: Unit) => Written, busyMs: number): Commit {
  try {
    insist(busyMs, () => db.exec("BEGIN IMMEDIATE"));
    const written = units.map(run);
    db.exec("COMMIT");
    return written;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    return units.map(() => ({ rows: [], error: described(error) }));
  }
}

function open({ path, migrations, busyMs }: Opening): DatabaseSync {
  const db = new DatabaseSync(path);
  insist(busyMs, () => db.exec("PRAGMA journal_mode = WAL"));
  db.exec("PRAGMA synchronous = FULL");
  // FAST would leave what was deleted in the pages that become free.
  db.exec("PRAGMA secure_delete = ON");
  insist(busyMs, () => db.exec("BEGIN IMMEDIATE"));
  const done = Number(db.prepare("PRAGMA user_version").get()?.user_version);
  if (done > migrations.length)
    throw new Error("it was made by a newer version of Darkroom: start that one, or restore a backup");
  for (const migration of migrations.slice(done)) db.exec(migration);
  db.exec(`PRAGMA user_version = ${migrations.length}`);
  db.exec("COMMIT");
  return db;
}

/** Waits until another process releases the file, here in this thread, which has nothing else to do. */
function insist(busyMs: number, begin: () => void): void {
  const until = performance.now() + busyMs;
  while (!begins(begin, until)) Atomics.wait(never, 0, 0, againMs);
}

function begins(begin: () => void, until: number): boolean {
  try {
    begin();
    return true;
  } catch (error) {
    if (isBusy(codeOf(error)) && performance.now() < until) return false;
    throw error;
  }
}

function described(error: unknown): { code: number; message: string } {
  return { code: codeOf(error), message: (error as Error).message };
}
