import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isQuestion } from "../support/probe.ts";

/** Durable inserts on bare node:sqlite, in groups of one commit each. Arguments: a directory, the row's text, the group. */

const [directory = "", text = "", group = "1"] = process.argv.slice(2);
const db = new DatabaseSync(join(directory, "inserts.db"));
db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
db.exec("CREATE TABLE rows (id TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT");
const insert = db.prepare("INSERT INTO rows (id, doc) VALUES (?, ?)");

/** For how many milliseconds to insert; answered with how many a second. */
process.on("message", (ms: unknown) => {
  if (isQuestion(ms)) return;
  const start = performance.now();
  let inserted = 0;
  for (; performance.now() - start < Number(ms); inserted += Number(group)) insertGroup();
  process.send?.((inserted / (performance.now() - start)) * 1000);
});
process.on("disconnect", () => process.exit());
process.stdout.write("ready\n");

function insertGroup(): void {
  db.exec("BEGIN IMMEDIATE");
  for (let row = 0; row < Number(group); row++) insert.run(randomUUID(), text);
  db.exec("COMMIT");
}
