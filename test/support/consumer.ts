import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { scratchDirectory } from "./scratch.ts";

export const sh = promisify(execFile);
export const project = join(import.meta.dirname, "../..");

/** What packing must not depend on. */
const leftBehind = ["node_modules", "dist", "data", ".git", ".cache"];

let packed: Promise<Uint8Array> | undefined;

/** The tarball of `npm pack`, which is made once, for the test that asks for it. */
export async function pack(): Promise<string> {
  const tarball = join(scratchDirectory(), "darkroom.tgz");
  packed ??= packCopy();
  writeFileSync(tarball, await packed);
  return tarball;
}

/** Of a copy of this project, so that tests do not meet in dist/. */
async function packCopy(): Promise<Uint8Array> {
  const copy = mkdtempSync(join(tmpdir(), "darkroom-pack-"));
  try {
    cpSync(project, copy, { recursive: true, filter: (path) => !leftBehind.includes(relative(project, path)) });
    symlinkSync(join(project, "node_modules"), join(copy, "node_modules"));
    const { stdout } = await sh("npm", ["pack", "--json"], { cwd: copy });
    const { filename } = /"filename": "(?<filename>[^"]+)"/.exec(stdout)?.groups ?? {};
    return readFileSync(join(copy, filename ?? ""));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** A project of somebody else's in which the tarball is installed, and these files lie. */
export async function consumer(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = scratchDirectory();
  write(directory, { "package.json": `{ "private": true }`, ...files });
  const install = ["install", "--no-audit", "--no-fund", "--prefer-offline", await pack()];
  await sh("npm", install, { cwd: directory });
  return directory;
}

export function write(directory: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
}

/** A block of code of a page, for the server at `url`. */
export function example(heading: string, language: string, url = "", name = "docs/clients.md"): string {
  const page = readFileSync(join(project, name), "utf8");
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  const code = section?.split(`\`\`\`${language}\n`)[1]?.split("```\n")[0];
  if (code === undefined) throw new Error(`${name} has no ${language} under ${heading}`);
  return code.replaceAll("127.0.0.1:8080", new URL(url || "http://127.0.0.1:8080").host);
}
