import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { project, sh } from "../support/consumer.ts";

const instructions = readFileSync(join(project, "deploy/Dockerfile"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => ({ name: line.split(" ", 1)[0] ?? "", text: line.slice(line.indexOf(" ") + 1) }));

/** Does what the Dockerfile does with /app, without a container engine; resolves to the last stage's. */
export async function build(directory: string): Promise<string> {
  let app = directory;
  for (const { name, text } of instructions) {
    if (name === "FROM") app = stage(directory, text);
    if (name === "COPY") copy(text, directory, app);
    if (name === "RUN" && /^(npm|node) /.test(text)) await sh("sh", ["-ec", text], { cwd: app });
  }
  return app;
}

/** The stage's directory, empty. */
function stage(directory: string, text: string): string {
  const [, name = "final"] = / AS (\w+)$/.exec(text) ?? [];
  const app = join(directory, name);
  mkdirSync(app);
  return app;
}

function copy(text: string, directory: string, app: string): void {
  const [, stage, paths = ""] = /^(?:--from=(\w+) )?(.+)$/.exec(text) ?? [];
  const [target = "", ...sources] = paths.split(" ").reverse();
  for (const source of sources) {
    const from = stage === undefined ? join(project, source) : join(directory, stage, source.replace(/^\/app\//, ""));
    const to = target.endsWith("/") ? join(app, target, basename(source)) : join(app, target);
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  }
}

/** What of the project it copies. */
export function copied(): string[] {
  const copies = instructions.filter(({ name, text }) => name === "COPY" && !text.startsWith("--from"));
  return copies.flatMap(({ text }) => text.split(" ").slice(0, -1));
}

/** What the instruction of this name has as a JSON array. */
export function listed(name: string): string[] {
  const text = instructions.find((instruction) => instruction.name === name)?.text ?? "";
  return JSON.parse(text.slice(text.indexOf("[")));
}

/** The image's environment. */
export function environment(): Record<string, string> {
  const pairs = instructions.filter(({ name }) => name === "ENV").flatMap(({ text }) => text.split(" "));
  return Object.fromEntries(pairs.map((pair) => pair.split("=") as [string, string]));
}

/** Whom the process is. */
export function user(): { uid: number; gid: number } {
  const text = instructions.find(({ name }) => name === "USER")?.text ?? "";
  const [uid = Number.NaN, gid = Number.NaN] = text.split(":").map(Number);
  return { uid, gid };
}
