// Runs before `npm start`, `npm run demo` and `npm test`, by whatever Node the machine has, so that a fresh clone needs no
// step before them: installs the locked packages when they are missing or others.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const read = (path) => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8")).packages;

function isStale() {
  let installed;
  try {
    installed = read("node_modules/.package-lock.json");
  } catch {
    return true;
  }
  // Optional packages are for some platforms only; the entry "" is this project.
  return Object.entries(read("package-lock.json")).some(
    ([path, { version, optional }]) => path !== "" && !optional && installed[path]?.version !== version,
  );
}

if (isStale()) {
  process.stderr.write("Installing the packages that package-lock.json names; this takes a minute the first time…\n");
  // Not `npm ci`: it refuses a lockfile that lacks binaries of platforms for which a registry does not have them.
  const { status } = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: new URL("..", import.meta.url),
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  process.exitCode = status ?? 1;
}
