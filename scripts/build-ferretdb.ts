import { execFile } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const version = "v1.24.2";
const binary = join(import.meta.dirname, "../.cache", `ferretdb-${version}`);
const maxBuffer = 64 * 1024 * 1024;

/** What writes reads first and does not look again, so that of two conditional writes at once both may win. */
const writers = ["Insert", "Update", "FindAndModify", "Delete"];

/**
 * FerretDB, which speaks MongoDB's protocol on SQLite, for the tests: built by Go once, in about a minute, with a lock
 * around its writes. Resolves to the program.
 */
export async function buildFerretdb(): Promise<string> {
  if (await exists(binary)) return binary;
  const work = await mkdtemp(join(tmpdir(), "ferretdb-"));
  try {
    const { stdout } = await go(["mod", "download", "-json", `github.com/FerretDB/FerretDB@${version}`], work);
    const source = join(work, "source");
    await run("cp", ["-r", JSON.parse(stdout).Dir, source]);
    await run("chmod", ["-R", "u+w", source]);
    await writeFile(join(source, "build/version/version.txt"), version);
    for (const writer of writers) await lock(join(source, "internal/handler"), writer);
    await appendFile(join(source, "internal/handler/handler.go"), "\nvar writes sync.Mutex\n");
    // Whole or not there: several may build at once.
    await mkdir(dirname(binary), { recursive: true });
    const built = `${binary}.${process.pid}`;
    await go(["build", "-buildvcs=false", "-o", built, "./cmd/ferretdb"], source);
    await rename(built, binary);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return binary;
}

async function lock(directory: string, writer: string): Promise<void> {
  const path = join(directory, `msg_${writer.toLowerCase()}.go`);
  const code = await readFile(path, "utf8");
  const locked = code.replace(/^func \(h \*Handler\) Msg\w+\(.*\{$/m, "$&\n\twrites.Lock()\n\tdefer writes.Unlock()\n");
  if (locked === code) throw new Error(`${path} is not as it is known`);
  await writeFile(path, locked);
}

function go(args: readonly string[], cwd: string) {
  return run("go", args, { cwd, maxBuffer, env: { ...process.env, CGO_ENABLED: "0" } });
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

if (import.meta.main) process.stdout.write(`${await buildFerretdb()}\n`);
