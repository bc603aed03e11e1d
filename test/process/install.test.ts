import { cpSync, existsSync } from "node:fs";
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
