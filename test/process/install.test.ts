import { chmodSync, cpSync, existsSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { project, sh, write } from "../support/consumer.ts";
import { scratchDirectory } from "../support/scratch.ts";

test.each([{ NODE_ENV: "production" }, { npm_config_omit: "dev" }])(
  "what bundles a server is installed with it, with %s too",
  async (env) => {
    const copy = scratchDirectory();
    const script = "scripts/install-when-stale.mjs";
    cpSync(join(project, script), join(copy, script));
    write(copy, {
      "package.json": `{ "private": true, "workspaces": ["src"], "devDependencies": { "bundler": "file:bundler" } }`,
      "src/package.json": `{ "name": "server", "private": true }`,
      "bundler/package.json": `{ "name": "bundler", "version": "1.0.0" }`,
    });
    await sh(process.execPath, [join(copy, script)], { env: { ...process.env, ...env } });
    expect(existsSync(join(copy, "node_modules/bundler/package.json"))).toBe(true);
  },
);

const [a, ours, theirs] = ["node_modules/a", "node_modules/ours", "node_modules/theirs"];
const locked = {
  "": {},
  src: { optionalDependencies: { ours: "1.0.0" } },
  [a]: { version: "1.0.0" },
  [ours]: { version: "1.0.0", optional: true },
  [theirs]: { version: "1.0.0", optional: true },
};

/** How the script ends where these versions are installed, since the lock changed or before, with an npm that ends with 3. */
async function ended(installed: Readonly<Record<string, string>> | undefined, since = true): Promise<number> {
  const copy = scratchDirectory();
  const script = "scripts/install-when-stale.mjs";
  cpSync(join(project, script), join(copy, script));
  const [lock, hidden, npm] = ["package-lock.json", "node_modules/.package-lock.json", "bin/npm"];
  write(copy, { [lock]: JSON.stringify({ packages: locked }), [npm]: "#!/bin/sh\nexit 3\n" });
  chmodSync(join(copy, npm), 0o755);
  if (installed !== undefined) {
    const packages = Object.entries(installed).map(([path, version]) => [path, { version }]);
    write(copy, { [hidden]: JSON.stringify({ packages: Object.fromEntries(packages) }) });
    utimesSync(join(copy, lock), 1000, 1000);
    utimesSync(join(copy, hidden), 1000, since ? 1001 : 999);
  }
  const env = { ...process.env, PATH: `${join(copy, "bin")}:${process.env.PATH}` };
  return sh(process.execPath, [join(copy, script)], { env }).then(
    () => 0,
    ({ code }) => code,
  );
}

test("packages are installed that are missing or others, and it is told where that fails", async () => {
  expect(await ended(undefined)).toBe(3);
  expect(await ended({ [ours]: "1.0.0" })).toBe(3);
  expect(await ended({ [a]: "2.0.0", [ours]: "1.0.0" })).toBe(3);
  expect(await ended({ [a]: "1.0.0", [ours]: "1.0.0" }, false)).toBe(0);
});

test("packages that may be left out are installed once after the lock changed, and those of other platforms never", async () => {
  expect(await ended({ [a]: "1.0.0" }, false)).toBe(3);
  expect(await ended({ [a]: "1.0.0" })).toBe(0);
});
