import { openInserts } from "../support/inserts.ts";
import { isQuestion } from "../support/probe.ts";

/** Durable inserts on bare node:sqlite, in groups of one commit each. Arguments: a directory, the row's text, the group. */

const [directory = "", text = "", size = "1"] = process.argv.slice(2);
const insert = openInserts(directory);
const group = new Array<string>(Number(size)).fill(text);

/** For how many milliseconds to insert; answered with how many a second. */
process.on("message", (ms: unknown) => {
  if (isQuestion(ms)) return;
  const start = performance.now();
  let inserted = 0;
  for (; performance.now() - start < Number(ms); inserted += group.length) insert(group);
  process.send?.((inserted / (performance.now() - start)) * 1000);
});
process.on("disconnect", () => process.exit());
process.stdout.write("ready\n");
