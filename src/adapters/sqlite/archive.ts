import { DatabaseSync } from "node:sqlite";
import type { Account } from "../../model/account.ts";
import type { AuditEvent } from "../../model/audit.ts";
import type { Client } from "../../model/client.ts";
import type { StoredFile } from "../../model/file.ts";
import type { SignInAttempts } from "../../model/guessing.ts";
import type { Image } from "../../model/image.ts";
import type { ImageJob } from "../../model/image-job.ts";
import type { Session } from "../../model/session.ts";
import type { DailyUsage } from "../../model/usage.ts";
import { codeOf, isBusy } from "./error-codes.ts";
import { databaseMigrations } from "./tables.ts";

interface Records {
  readonly accounts: Account;
  readonly clients: Client;
  readonly sessions: Session;
  readonly attempts: SignInAttempts;
  readonly audit: AuditEvent;
  readonly user_daily_usage: DailyUsage;
  readonly images: Image;
  readonly files: StoredFile;
  readonly jobs: ImageJob;
}

/** The database is in use, or not of this version. */
export class NotAtRest extends Error {
  override readonly name = "NotAtRest";
}

/** The database of a server that has stopped, to be read from end to end. While it is open, no server starts on it. */
export class Archive {
  readonly #db: DatabaseSync;

  /** Changes no record. Throws NotAtRest. */
  static open(path: string): Archive {
    const db = new DatabaseSync(path, { timeout: 0 });
    try {
      takeAlone(db);
      const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
      if (version < databaseMigrations.length)
        throw new NotAtRest("is of an older version: start `darkroom serve` of this one on it once");
      if (version > databaseMigrations.length)
        throw new NotAtRest("was made by a newer version of Darkroom: use that one");
      return new Archive(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  count(table: keyof Records | "secrets"): number {
    return this.#db.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.count as number;
  }

  /** The records of a table in the order of their ids, read as they are asked for. */
  *records<Table extends keyof Records>(table: Table): Generator<Records[Table]> {
    for (const { doc } of this.#db.prepare(`SELECT doc FROM ${table} ORDER BY id`).iterate())
      yield JSON.parse(doc as string);
  }

  secrets(): { readonly name: string; readonly value: string }[] {
    const rows = this.#db.prepare("SELECT name, value FROM secrets ORDER BY name").all();
    return rows.map(({ name, value }) => ({ name: name as string, value: value as string }));
  }

  close(): void {
    this.#db.close();
  }
}

/** A database in WAL mode cannot change its mode while anybody else has it open. The next server sets WAL again. */
function takeAlone(db: DatabaseSync): void {
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
  } catch (error) {
    if (!isBusy(codeOf(error))) throw error;
    throw new NotAtRest("is in use: stop the server that has it open");
  }
}
