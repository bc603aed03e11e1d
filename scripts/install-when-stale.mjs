// Runs before `npm start`, `npm run demo` and `npm test`, by whatever Node the machine has, so that a fresh clone needs no
// step before them: installs the locked packages when they are missing or others.
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";

const lock = new URL("../package-lock.json", import.meta.url);
const hiddenLock = new URL("../node_modules/.package-lock.json", import.meta.url);
const read = (url) => JSON.parse(readFileSync(url, "utf8")).packages;

function isStale() {
  let installed;
  try {
    installed = read(hiddenLock);
  } catch {
    return true;
  }
  // The entry "" is this project, `src` the server's workspace.
  const { "": _project, src: server, ...wanted } = read(lock);
  const differs = ([path, { version }]) => installed[path]?.version !== version;
  // Other optional packages are for some platforms only.
  if (Object.entries(wanted).some((entry) => !entry[1].optional && differs(entry))) return true;
  // Those of ours may be left out on purpose: they are installed once after the lock changed.
  const ours = Object.keys(server.optionalDependencies ?? {}).map((name) => `node_modules/${name}`);
  const isNewer = statSync(lock).mtimeMs > statSync(hiddenLock).mtimeMs;
  return isNewer && ours.some((path) => differs([path, wanted[path]]));
}

if (isStale()) {
  process.stderr.write("Installing the packages that package-lock.json names; this takes a minute the first time…\n");
  // Not `npm ci`: it refuses a lockfile that lacks binaries of platforms for which a registry does not have them. What
  // bundles the server is a development's dependency, which npm leaves out in production.
  const options = ["--include=dev", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync("npm", ["install", ...options], {
    cwd: new URL("..", import.meta.url),
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) process.exitCode = status ?? 1;
}
