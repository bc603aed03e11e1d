import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";

/**
 * Puts the server and what it loads from packages into a few files, since to find a thousand takes a third of a start: in
 * `.cache/server`, or the directory that is given, unless they are newer than all they were made of.
 */
process.chdir(join(import.meta.dirname, ".."));
const directory = process.argv[2] ?? ".cache/server";
/** When the files were begun, and of what; written last. */
const stamp = join(directory, "made.json");

function isStale(): boolean {
  try {
    const { at, of }: { at: number; of: string[] } = JSON.parse(readFileSync(stamp, "utf8"));
    return of.some((path) => statSync(path).mtimeMs >= at);
  } catch {
    return true;
  }
}

async function bundle(): Promise<void> {
  const at = Date.now();
  const { outputFiles, metafile } = await build({
    // The SQLite writer is the code of threads: the one that starts them looks for it beside itself.
    entryPoints: ["src/main.ts", { in: "src/adapters/sqlite/writer.ts", out: "writer" }],
    outdir: directory,
    // Otherwise that of when esbuild was loaded.
    absWorkingDir: process.cwd(),
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    write: false,
    metafile: true,
    // Those with binaries or files of their own, and those that are loaded by few.
    external: ["bcrypt", "sharp", "mongodb", "nodemailer", "undici", "@azure/*", "@tensorflow/*", "@upscalerjs/*"],
    // For packages that are no modules.
    banner: {
      js: `import { createRequire as requireFor } from "node:module"; const require = requireFor(import.meta.url);`,
    },
  });
  mkdirSync(directory, { recursive: true });
  for (const { path, contents } of outputFiles) write(path, contents);
  const of = ["package-lock.json", "scripts/bundle.ts", ...Object.keys(metafile.inputs)];
  write(stamp, JSON.stringify({ at, of }));
  removeOthers(new Set(outputFiles.map(({ path }) => basename(path))));
}

/** Left by earlier bundles, whose names say what is in them. */
function removeOthers(files: ReadonlySet<string>): void {
  const others = readdirSync(directory).filter((name) => name.endsWith(".js") && !files.has(name));
  for (const name of others) rmSync(join(directory, name), { force: true });
}

/** At once, since somebody else may make or run the same file. */
function write(path: string, contents: string | Uint8Array): void {
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, contents);
  renameSync(unfinished, path);
}

if (isStale()) await bundle();
