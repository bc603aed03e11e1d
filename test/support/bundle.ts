import { execFileSync } from "node:child_process";
import { join } from "node:path";

export { main } from "../../bench/support/darkroom.ts";

/** Before all tests, so that none meets what was made of older files. */
export default function setup(): void {
  execFileSync(process.execPath, [join(import.meta.dirname, "../../scripts/bundle.ts")], { stdio: "inherit" });
}
