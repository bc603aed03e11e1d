import { readFileSync } from "node:fs";
import { studio } from "../../src/worker/engines/studio/studio.ts";
import { isQuestion } from "../support/probe.ts";

/** The engine with nothing around it. Arguments: a picture's file, a task without its picture as JSON. */

const [path = "", json = ""] = process.argv.slice(2);
const task = { ...JSON.parse(json), picture: readFileSync(path) };

/** Any message: a run; answered with its milliseconds. */
process.on("message", async (message: unknown) => {
  if (isQuestion(message)) return;
  const start = performance.now();
  await studio.develop(task, () => {}, new AbortController().signal);
  process.send?.(performance.now() - start);
});
process.on("disconnect", () => process.exit());
process.stdout.write("ready\n");
