import { once } from "node:events";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { extname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { DuplicateKey, StoreUnavailable } from "../../ports/store-errors.ts";
import { codeOf, isBusy, isDiskFault, isDuplicate } from "./error-codes.ts";
import type { Commit, Opening, Row, Statement, Unit, Written } from "./writer.ts";

/** How long a statement waits for another process's lock. */
const busyMs = 5000;
/** The most writes in one message. Under load a turn of the event loop may take seconds: libuv takes in up to 48 times 1024 events. */
const togetherMax = 64;

/** Functions that are called for each write that met this fault. */
export interface Alarms {
  /** The disk took nothing. */
  readonly disk: (error: Error) => void;
  /** Another process kept the file locked. */
  readonly lock: (error: Error) => void;
}

interface Waiting {
  resolve(rows: Row[]): void;
  reject(error: Error): void;
}

/** Beside this file, as source and in the bundle. */
const writerFile = new URL(`./writer${extname(import.meta.url)}`, import.meta.url);

/**
 * One SQLite file. Reads run here, on a connection that only reads: they take microseconds and never wait for a writer.
 * Writes go to a thread that gathers what comes while it syncs into the next commit, so that the event loop never waits
 * for the disk and a lone write is not delayed. A write that resolved survives a power cut and is seen by every read.
 */
export class Database {
  readonly #path: string;
  readonly #reader: DatabaseSync;
  readonly #writer: Worker;
  readonly #statements = new Map<string, StatementSync>();
  readonly #alarms: Alarms;
  readonly #exited: Promise<unknown>;
  /**
   * The calls that wait for their units, in the order in which these were handed over and are answered. No map: the old
   * tables that a map leaves behind as it changes keep calls that are over, which the garbage collector copies.
   */
  #waiting: Waiting[] = [];
  #outgoing: Unit[] = [];
  /** Why nothing can be written any more. */
  #ended: Error | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Makes the file and brings its tables to the newest of `migrations`, each a script that is run once, in order. Rejects
   * with what an operator should know of the file.
   */
  static async open(
    path: string,
    migrations: readonly string[],
    alarms: Alarms = { disk() {}, lock() {} },
  ): Promise<Database> {
    const opening: Opening = { path, migrations, busyMs };
    const writer = new Worker(writerFile, { workerData: opening });
    try {
      await once(writer, "message");
      return new Database(path, writer, alarms);
    } catch (error) {
      await writer.terminate();
      throw notOpened(path, error);
    }
  }

  private constructor(path: string, writer: Worker, alarms: Alarms) {
    this.#path = path;
    this.#reader = new DatabaseSync(path, { readOnly: true, timeout: busyMs });
    this.#writer = writer;
    this.#alarms = alarms;
    this.#exited = new Promise((resolve) => writer.once("exit", resolve));
    writer.on("message", (commit: Commit) => this.#settle(commit));
    writer.on("error", (error: Error) => this.#end(error));
    writer.on("exit", () => this.#end(new Error("the database is closed")));
  }

  /** Writes that are not settled yet. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Rejects when the file cannot be used; cheap. */
  async ping(): Promise<void> {
    // A file that was moved away can still be written here, but nobody else will find it.
    await access(this.#path, constants.R_OK | constants.W_OK);
    // The value is the same as before, but is written all the same: one page, which a full disk refuses.
    await this.write("PRAGMA application_id = 0");
  }

  read(sql: string, ...params: SQLInputValue[]): Row[] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#reader.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement.all(...params) as Row[];
  }

  /** The records that the rows hold as JSON in `doc`. */
  readDocs<T>(sql: string, ...params: SQLInputValue[]): T[] {
    return this.read(sql, ...params).map(({ doc }): T => JSON.parse(doc as string));
  }

  /**
   * The rows that the statement returns. Rejects with DuplicateKey when a unique value is taken, with StoreUnavailable
   * when the disk takes nothing or another process keeps the file locked.
   */
  write(sql: string, ...params: SQLInputValue[]): Promise<Row[]> {
    return this.writeAll([{ sql, params }]);
  }

  /** Whether the statement, which is about one row at most and ends in RETURNING, found it. */
  async writeOne(sql: string, ...params: SQLInputValue[]): Promise<boolean> {
    return (await this.write(sql, ...params)).length === 1;
  }

  /** Deletes the first rows, in the order of `column`, for which `condition` holds of it; how many it deleted. */
  async deleteFirst(
    table: string,
    column: string,
    condition: "< ?" | "<= ?" | "= ?",
    value: SQLInputValue,
    limit: number,
  ) {
    const first = `SELECT id FROM ${table} WHERE ${column} ${condition} ORDER BY ${column} LIMIT ?`;
    return (await this.write(`DELETE FROM ${table} WHERE id IN (${first}) RETURNING id`, value, limit)).length;
  }

  /** Sets when a record was last used, unless it was later already. */
  async touch(table: "sessions" | "clients", id: string, lastUsedAt: number): Promise<void> {
    const sql =
      `UPDATE ${table} SET doc = json_set(doc, '$.lastUsedAt', ?1) ` +
      "WHERE id = ?2 AND coalesce(json_extract(doc, '$.lastUsedAt'), 0) < ?1";
    await this.write(sql, lastUsedAt, id);
  }

  /** Runs all statements or none; resolves to the rows of the last. */
  writeAll(statements: readonly Statement[]): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) throw this.#ended;
      this.#waiting.push({ resolve, reject });
      this.#hand(statements);
    });
  }

  /** Hands over the units of one turn of the event loop together: each message takes as long as some units do. */
  #hand(unit: Unit): void {
    const count = this.#outgoing.push(unit);
    if (count === 1) setImmediate(() => this.#send());
    else if (count === togetherMax) this.#send();
  }

  #send(): void {
    if (this.#outgoing.length > 0) this.#writer.postMessage(this.#outgoing);
    this.#outgoing = [];
  }

  /** Resolves when everything that was to be written is. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#send();
    this.#writer.postMessage("close");
    await this.#exited;
    this.#reader.close();
  }

  #settle(commit: Commit): void {
    for (const [index, { resolve, reject }] of this.#waiting.splice(0, commit.length).entries()) {
      const { rows, error } = commit[index] as Written;
      if (error === undefined) resolve(rows);
      else reject(this.#refusal(error));
    }
  }

  #refusal({ code, message }: { code: number; message: string }): Error {
    if (isDuplicate(code)) return new DuplicateKey(message);
    const error = new Error(`the database refused a write: ${message}`);
    if (isDiskFault(code)) this.#alarms.disk(error);
    else if (isBusy(code)) this.#alarms.lock(error);
    else return error;
    return new StoreUnavailable(error);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

/** The same error, with what could not be opened. */
export function notOpened(path: string, cause: unknown): Error {
  const locked = "another process keeps it locked; end what has it open, such as a database tool, and start again";
  const why = isBusy(codeOf(cause)) ? locked : (cause as Error).message;
  return new Error(`${path} cannot be opened: ${why}`, { cause });
}
