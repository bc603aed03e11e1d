import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { expect, test } from "vitest";
import { longest } from "./support/longest-first.ts";

/** Which rooms of src/ a room may look into; what is not named here may look into none but itself. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  helpers: [],
  model: [],
  ports: ["model", "helpers"],
  core: ["model", "ports", "helpers"],
  crypto: ["model", "ports", "helpers"],
  "adapters/sqlite": ["model", "ports", "helpers"],
  "adapters/filesystem": ["model", "ports", "helpers"],
  "adapters/mongodb": ["model", "ports", "helpers"],
  "adapters/smtp": ["ports"],
  "adapters/service-bus": ["ports", "helpers"],
  "adapters/image-service": ["model", "ports", "helpers"],
  rpc: ["core", "ports", "model", "helpers", "gen"],
  http: ["core", "ports", "model", "helpers", "../package.json"],
  client: ["gen"],
  worker: ["client", "ports", "model", "helpers"],
  cli: ["client", "app/server-app", "app/store-app", "app/import-app", "config", "migration", "user-error"],
  log: ["ports"],
  config: ["model", "log", "user-error"],
  migration: [
    "adapters/sqlite",
    "adapters/filesystem",
    "app/backends",
    "app/data-directory",
    "config",
    "model",
    "ports",
  ],
  imports: ["adapters/sqlite", "core", "model", "ports", "user-error"],
  // What is composed of all these; a file each, since each knows others.
  "app/parts": ["ports"],
  "app/idle": [],
  "app/backends": [
    "adapters/sqlite",
    "adapters/filesystem",
    "adapters/mongodb",
    "adapters/service-bus",
    "adapters/image-service",
    "app/data-directory",
    "config",
    "model",
    "ports",
    "helpers",
  ],
  "app/data-directory": ["config", "ports"],
  "app/credentials": ["config", "crypto", "ports"],
  "app/compose": [
    "adapters/smtp",
    "app/backends",
    "app/credentials",
    "app/parts",
    "config",
    "core",
    "http",
    "worker",
    "model",
    "ports",
  ],
  "app/serving": [
    "app/backends",
    "app/compose",
    "app/idle",
    "app/parts",
    "config",
    "core",
    "http",
    "rpc",
    "worker",
    "model",
    "ports",
  ],
  "app/server-app": ["app/backends", "app/parts", "app/serving", "config", "core", "crypto", "http", "model", "ports"],
  "app/worker-app": ["app/backends", "app/parts", "config", "core", "http", "client", "worker", "ports"],
  "app/store-app": ["app/backends", "app/compose", "app/parts", "client", "config", "crypto", "ports", "rpc"],
  "app/import-app": ["app/backends", "config", "core", "crypto", "imports", "ports"],
  "user-error": [],
  process: ["log", "model", "user-error"],
  main: [
    "app/backends",
    "app/server-app",
    "app/store-app",
    "app/import-app",
    "app/worker-app",
    "cli",
    "migration",
    "config",
    "log",
    "process",
    "../package.json",
  ],
};

/** Packages that belong to one room, so that what they do can be exchanged there. */
const owners: readonly [RegExp, readonly string[]][] = [
  [/^node:sqlite$/, ["adapters/sqlite"]],
  [/^csv-parse$/, ["imports"]],
  [/^nodemailer$/, ["adapters/smtp"]],
  [/^mongodb$/, ["adapters/mongodb"]],
  [/^(@azure\/|long$)/, ["adapters/service-bus"]],
  [/^@connectrpc\//, ["rpc", "client"]],
  [/^@bufbuild\//, ["rpc", "client"]],
  [/^(jose|bcrypt)$/, ["crypto"]],
  [/^(fastify|@fastify\/.*|cors)$/, ["http"]],
  [/^sharp$/, ["worker", "cli"]],
  [/^(@tensorflow|@upscalerjs)\//, ["worker"]],
  [/^commander$/, ["main", "cli"]],
  [/^pino$/, ["log"]],
];

const src = join(import.meta.dirname, "../src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

test("data flows one way: every import goes where its room may look", () => {
  expect(
    importsOf(files)
      .filter(({ room, target }) => !mayLook(room, target))
      .map(describeImport),
  ).toEqual([]);
});

test("each package is imported in its own room alone", () => {
  const strays = importsOf(files).filter(({ room, target }) =>
    owners.some(([name, owned]) => name.test(target) && !owned.includes(room)),
  );
  expect(strays.map(describeImport)).toEqual([]);
});

test("process is read where it begins and ends alone", () => {
  const readers = files.filter((file) => /\bprocess\.(env|argv|cwd|exit|on|once|std\w+)\b/.test(read(file)));
  expect(readers).toEqual(["main.ts", "process.ts"]);
});

test("files have at most 250 lines", () => {
  expect(files.filter((file) => read(file).split("\n").length > 250)).toEqual([]);
});

test("the tests that are to start first are there", () => {
  expect(longest.filter((path) => !existsSync(join(src, "..", path)))).toEqual([]);
});

interface Import {
  readonly file: string;
  readonly room: string;
  /** A room of src/, `gen`, or a package. */
  readonly target: string;
}

function importsOf(all: readonly string[]): Import[] {
  return all.flatMap((file) =>
    [...read(file).matchAll(/\b(?:from|import)\s*\(?"([^"]+)"/g)].map(([, path = ""]) => ({
      file,
      room: roomOf(file),
      target: path.startsWith(".") ? roomOf(normalize(join(file, "..", path))) : path,
    })),
  );
}

function roomOf(file: string): string {
  if (file.startsWith("../gen/")) return "gen";
  const room = Object.keys(rooms).find((name) => file.startsWith(`${name}/`) || file === `${name}.ts`);
  return room ?? file;
}

function mayLook(room: string, target: string): boolean {
  const isInside = target in rooms || target === "gen" || target.startsWith("..");
  return !isInside || target === room || (rooms[room] ?? []).includes(target);
}

function describeImport({ file, target }: Import): string {
  return `${file} → ${target}`;
}

function read(file: string): string {
  return readFileSync(join(src, file), "utf8");
}
