import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { removeScratch, scratchDirectory } from "./scratch.ts";
import { summarise } from "./statistics.ts";

const commits = 30;

/** What the numbers depend on. */
export function describeMachine(): [what: string, value: string][] {
  return [
    ["Machine", `${availableParallelism()} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`],
    ["System", `${platform()} ${release()} ${arch()}, Node ${process.version}, SQLite ${process.versions.sqlite}`],
    ["Load before the start", `${loadavg()[0]?.toFixed(2)} (anything much above 0 spoils what follows)`],
    ["A durable SQLite commit", `${commitMs().toFixed(2)} ms`],
  ];
}

/** Median time of a commit of one small row, WAL and synchronous=FULL: mostly the disk's fsync. */
function commitMs(): number {
  const directory = scratchDirectory();
  const db = new DatabaseSync(join(directory, "commits.db"));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (value INTEGER)");
  const insert = db.prepare("INSERT INTO rows VALUES (?)");
  const times = Array.from({ length: commits }, (_, value) => {
    const start = performance.now();
    insert.run(value);
    return performance.now() - start;
  });
  db.close();
  removeScratch(directory);
  return summarise(times).median;
}
