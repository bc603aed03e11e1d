import { appendFileSync, cpSync, existsSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { project, sh } from "../support/consumer.ts";
import { scratchDirectory } from "../support/scratch.ts";

const parts = ["src", "gen", "scripts/bundle.ts", "package.json", "package-lock.json"];

test("the bundle is made anew once something of it is newer, and then without what is left of others", async () => {
  const copy = scratchDirectory();
  for (const part of parts) cpSync(join(project, part), join(copy, part), { recursive: true });
  symlinkSync(join(project, "node_modules"), join(copy, "node_modules"));
  const [made, left] = [join(copy, ".cache/server/main.js"), join(copy, ".cache/server/chunk-OLD.js")];
  const bundle = async () => {
    await sh(process.execPath, [join(copy, "scripts/bundle.ts")]);
    return statSync(made).mtimeMs;
  };

  const first = await bundle();
  writeFileSync(left, "");
  expect(await bundle()).toBe(first);
  expect(existsSync(left)).toBe(true);

  appendFileSync(join(copy, "src/cli/banner.ts"), "\n");
  expect(await bundle()).toBeGreaterThan(first);
  expect(existsSync(left)).toBe(false);
});
