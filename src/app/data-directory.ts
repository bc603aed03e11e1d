import { accessSync, chmodSync, constants, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ConfigError } from "../config/config.ts";
import type { Log } from "../ports/log.ts";

/** The files and directories of a data directory. */
export function embeddedPaths(dataDir: string) {
  return {
    database: join(dataDir, "darkroom.db"),
    pictures: join(dataDir, "pictures"),
    queue: join(dataDir, "queue.db"),
    bell: join(dataDir, "queue.bell"),
  };
}

/** The directories that others may read: each embedded engine opens them, and one warning is enough. */
const warnedOf = new Set<string>();

export function prepareDataDirectory(dataDir: string, log: Log): void {
  makeWritable(dataDir, "cannot be made or written to", "; choose another");
  makePrivate(dataDir, log);
}

/** Before the first picture, so that a backup always has the directory to copy. */
export function preparePictures(dataDir: string): void {
  makeWritable(embeddedPaths(dataDir).pictures, "cannot be written to");
}

function makeWritable(directory: string, fault: string, advice = ""): void {
  try {
    makeDirectory(directory);
    accessSync(directory, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError("DARKROOM_DATA_DIR", `${directory} ${fault} (${code})${advice}`);
  }
}

/**
 * Makes the directory readable by its owner alone, since keys and pictures lie here. Some file systems refuse that,
 * others accept it and do nothing.
 */
function makePrivate(directory: string, log: Log): void {
  const isPrivate = () => (statSync(directory).mode & 0o077) === 0;
  if (isPrivate()) return;
  let err: unknown;
  try {
    chmodSync(directory, 0o700);
  } catch (error) {
    err = error;
  }
  if (isPrivate() || warnedOf.has(directory)) return;
  warnedOf.add(directory);
  log.warn({ directory, err }, "others may read the data directory, and its mode cannot be changed");
}

/** mkdir's own `recursive` would try for ever where no directory can be made, as under /proc. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return void readdirSync(path);
  if (dirname(path) !== path) makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}
