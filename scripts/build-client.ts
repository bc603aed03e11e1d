import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Compiles `darkroom/client` to dist/, from nothing, so that what is packed has no file that is gone. */
process.chdir(join(import.meta.dirname, ".."));
rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.client.json"], { stdio: "inherit" });

// The compiler rewrites relative imports in JavaScript, but not in declarations.
for (const file of readdirSync("dist", { recursive: true, encoding: "utf8" })) {
  if (!file.endsWith(".d.ts")) continue;
  const path = join("dist", file);
  writeFileSync(path, readFileSync(path, "utf8").replaceAll(/(\bfrom "\.[^"]+)\.ts"/g, '$1.js"'));
}
