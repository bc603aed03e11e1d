import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Durable rows on bare node:sqlite, each text by a random key; those of one call in one commit. */
export function openInserts(directory: string): (texts: readonly string[]) => void {
  const db = new DatabaseSync(join(directory, "inserts.db"));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec("CREATE TABLE rows (id TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT");
  const insert = db.prepare("INSERT INTO rows (id, doc) VALUES (?, ?)");
  return (texts) => {
    db.exec("BEGIN IMMEDIATE");
    for (const text of texts) insert.run(randomUUID(), text);
    db.exec("COMMIT");
  };
}
