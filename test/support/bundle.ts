import { execFileSync } from "node:child_process";
import { join } from "node:path";

const project = join(import.meta.dirname, "../..");

/** What `npm start` runs. */
export const main = join(project, ".cache/server/main.js");

/** Before all tests, so that none meets what was made of older files. */
export default function setup(): void {
  execFileSync(process.execPath, [join(project, "scripts/bundle.ts")], { stdio: "inherit" });
}
