import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Fails when gen/ or docs/api.md is not what the protos give. */
const fresh = await mkdtemp(join(tmpdir(), "darkroom-generated-"));
try {
  execFileSync("buf", ["generate", "--output", fresh], { stdio: "inherit" });
  const files = (await listFiles(fresh)).concat(await listFiles(".", "gen"));
  const stale = [...new Set(files)].filter((file) => contents(join(fresh, file)) !== contents(file));
  for (const file of stale) process.stderr.write(`${file} is stale: run npm run generate\n`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} finally {
  await rm(fresh, { recursive: true });
}

async function listFiles(root: string, folder = ""): Promise<string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root === "." ? 0 : root.length + 1));
}

function contents(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
