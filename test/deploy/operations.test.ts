import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { project, sh, write } from "../support/consumer.ts";
import { runServer } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";

const page = readFileSync(join(project, "docs/operations.md"), "utf8");
const src = join(project, "src");
const sources = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => ({ file, text: readFileSync(join(src, file), "utf8") }));
const code = sources.map(({ text }) => text).join("\n");
const quoted = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text = ""]) => text);

test("docs/operations.md has a row for each line of the log that wants somebody, and for no other", () => {
  const rows = page.split("\n").filter((line) => /^\| (error|warn) \|/.test(line));
  const told = rows.flatMap((row) => {
    const [, level = "", messages = ""] = row.split("|");
    return [...messages.matchAll(/`([^`]+)`/g)].map(([, message]) => `${level.trim()} ${message}`);
  });
  const written = [...code.matchAll(/log\.(error|warn)\([^"]*"([^"]+)"/g)].map(([, level, text]) => `${level} ${text}`);
  expect(written.length).toBeGreaterThan(15);
  expect(new Set(told)).toEqual(new Set(written));
});

test("docs/operations.md has each reason by which a job ends without a picture", () => {
  const endings = [/worker\/.*\.ts$/, /model\/(?:image|job-life|queue-messages)\.ts$/];
  const files = sources.filter(({ file }) => endings.some((pattern) => pattern.test(file)));
  const given = /(?:new EngineError\(|\breason: |const \w+ = )"([A-Z]+(?:_[A-Z]+)*)"/g;
  const reasons = files.flatMap(({ text }) => [...text.matchAll(given)].map(([, reason = ""]) => reason));
  const [, table = ""] = /\n\| reason \|.*\n((?:\|.*\n)+)/.exec(page) ?? [];
  const told = table
    .split("\n")
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, r]) => r));
  expect(reasons.length).toBeGreaterThan(10);
  expect(told.toSorted()).toEqual([...new Set(reasons)].toSorted());
});

test("docs/operations.md names variables that the code reads", () => {
  const names = quoted.filter((text) => /^[A-Z]+(_[A-Z]+)+$/.test(text));
  expect(names.length).toBeGreaterThan(20);
  // The queues' names and reasons for a job's end.
  const others = names.filter((name) => !name.startsWith("AZURE_"));
  expect(others.filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([]);
});

test("whoever stops a process gives it longer than it may take", () => {
  const read = (name: string) => readFileSync(join(project, name), "utf8");
  const seconds = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, n]) => Number(n));
  const given = [
    seconds(page, /by SIGTERM, and give them (\d+) s/g),
    seconds(read("deploy/compose.yaml"), /stop_grace_period: (\d+)s/g),
    seconds(read("deploy/azure/main.bicep"), /terminationGracePeriodSeconds: (\d+)/g),
  ];
  const [most = 0] = seconds(code, /\bstopMs = (\d+)_000;/g);
  expect(given).toEqual([[30], [30], [30, 30]]);
  expect(most).toBeLessThan(30);
  expect(page.replaceAll("\n", " ")).toContain(`after ${most} s a stop that is not over ends the process`);
});

/** The shell's lines that back up a running server, with `data` and `backup` where they run. */
const backups = {
  // npx finds the project's Node from within the project alone.
  "docs/operations.md": /Embedded, running.*?```sh\n(.+?)```/s.exec(page)?.[1]?.replace("npx node", "node"),
  "deploy/README.md": /docker exec [^\n]*<<'END'[^\n]*\n(.+?)END\n/s
    .exec(readFileSync(join(project, "deploy/README.md"), "utf8"))?.[1]
    ?.replaceAll("/data/backup", "backup")
    .replaceAll("/data", "data"),
};

async function backUp(recipe: string | undefined, cwd: string): Promise<void> {
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
  const running = sh("sh", ["-e"], { cwd, env: { ...process.env, PATH } });
  running.child.stdin?.end(recipe);
  await running;
}

describe.each(Object.entries(backups))("the backup of a running server that %s has", (_page, recipe) => {
  test("works before the first picture too, and is its owner's alone", async () => {
    const directory = scratchDirectory();
    await runServer(join(directory, "data"));
    await backUp(recipe, directory);
    const backup = join(directory, "backup");
    expect(readdirSync(backup).toSorted()).toEqual(["darkroom.db", "pictures"]);
    for (const path of ["", "darkroom.db", "pictures"]) expect(statSync(join(backup, path)).mode & 0o077).toBe(0);
  });

  test("leaves the last one as it is where there is no database", async () => {
    const directory = scratchDirectory();
    write(directory, { "backup/darkroom.db": "the last one", "data/pictures/one": "" });
    await expect(backUp(recipe, directory)).rejects.toThrow("unable to open database file");
    expect(readFileSync(join(directory, "backup/darkroom.db"), "utf8")).toBe("the last one");
    expect(readdirSync(join(directory, "data"))).toEqual(["pictures"]);
  });
});
