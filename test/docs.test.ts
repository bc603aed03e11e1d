import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";
import { type Environment, readServerConfig, readWorkerConfig } from "../src/config/config.ts";
import { operations, scopesOf } from "../src/model/access.ts";
import { type Scope, scopes } from "../src/model/client.ts";
import { listModels } from "../src/worker/engines/catalogue.ts";

const root = join(import.meta.dirname, "..");
const read = (name: string) => readFileSync(join(root, "docs", name), "utf8");

/** The requirements of levels 1 and 2 in ASVS 5.0.0, by section: the numbers of those that are of level 3 are left out. */
const requirements: Readonly<Record<string, readonly number[]>> = {
  "6.1": [1, 2, 3],
  "6.2": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  "6.3": [1, 2, 3, 4],
  "6.4": [1, 2, 3, 4],
  "6.5": [1, 2, 3, 4, 5],
  "6.6": [1, 2, 3],
  "6.8": [1, 2, 3, 4],
  "7.1": [1, 2, 3],
  "7.2": [1, 2, 3, 4],
  "7.3": [1, 2],
  "7.4": [1, 2, 3, 4, 5],
  "7.5": [1, 2],
  "7.6": [1, 2],
  "9.1": [1, 2, 3],
  "9.2": [1, 2, 3, 4],
  "10.1": [1, 2],
  "10.2": [1, 2],
  "10.3": [1, 2, 3, 4],
  "10.4": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  "10.5": [1, 2, 3, 4, 5],
  "10.6": [1, 2],
  "10.7": [1, 2, 3],
  "11.1": [1, 2],
  "11.2": [1, 2, 3],
  "11.3": [1, 2, 3],
  "11.4": [1, 2, 3, 4],
  "11.5": [1],
  "11.6": [1],
};

const rows = read("asvs.md")
  .split("\n")
  .filter((line) => /^\| \d+\.\d/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()));

const pages = globSync(["*.md", "docs/*.md", "deploy/*.md"], { cwd: root });

test.each(pages)("the links of %s lead to files and headings that are there", (page) => {
  const links = [...withoutCode(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  const isBroken = (link: string) => {
    const [path = "", heading] = link.split("#");
    const target = path === "" ? page : relative(root, join(root, dirname(page), path));
    if (!existsSync(join(root, target))) return true;
    return heading !== undefined && !headingsOf(target).includes(heading);
  };
  expect(links.filter((link) => !link.includes("://") && isBroken(link))).toEqual([]);
});

/** As GitHub names them in addresses. */
function headingsOf(page: string): string[] {
  const headings = [...withoutCode(page).matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) => text);
  return headings.map((text) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\d _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function withoutCode(page: string): string {
  return readFileSync(join(root, page), "utf8").replace(/^( *)```.*?^\1```$/gms, "");
}

test("docs/asvs.md has every requirement once, in order", () => {
  const wanted = Object.entries(requirements).flatMap(([section, numbers]) => numbers.map((n) => `${section}.${n}`));
  expect(rows.flatMap(([, ids]) => ids?.split(", ")).toSorted(byNumber)).toEqual(wanted);
});

test("docs/asvs.md says of each whether it is met, and why", () => {
  for (const [, ids, , , verdict, how] of rows) {
    expect([ids, ["met", "partly", "not met", "–"].includes(verdict ?? "")]).toEqual([ids, true]);
    expect([ids, (how ?? "").length > 3]).toEqual([ids, true]);
  }
});

test.each(["asvs.md", "security.md"])("the files that docs/%s names are there", (name) => {
  const named = [...read(name).matchAll(/`((?:test|src|core|model|rpc|http)\/[\w/.-]+\.ts)`/g)].map(([, path]) => path);
  expect(named.length).toBeGreaterThan(10);
  const places = (path = "") => [path, join("src", path)].map((each) => join(root, each));
  expect(named.filter((path) => !places(path).some(existsSync))).toEqual([]);
});

test("docs/clients.md says which scope opens what", () => {
  const [, table = ""] = read("clients.md").split("## Scopes");
  const documented = table
    .split("\n## ", 1)[0]
    ?.split("\n")
    .map((line) => [...line.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name))
    .filter(([first]) => scopes.some((scope) => scope === first))
    .map(([scope, ...opened]) => [scope, opened.toSorted()]);
  const shortName = (operation: string) => operation.replace(/^[\w.]+\/(?=\w+$)/, "");
  const opened = (scope: Scope) => operations.filter((operation) => scopesOf(operation).includes(scope)).map(shortName);
  expect(documented).toEqual(scopes.map((scope) => [scope, opened(scope).toSorted()]));
});

test("README.md has each model of Darkroom's workers, and docs/architecture.md the engine of each", () => {
  const sdWebui = { url: "", timeoutMs: 0, credentials: undefined };
  const models = listModels({ sdWebui }).map(({ name }) => name);
  const told = (page: string, heading: string, name: RegExp) => {
    const [, section = ""] = page.split(`\n## ${heading}\n`);
    return [...(section.split("\n## ", 1)[0] ?? "").matchAll(name)].map(([, model]) => model);
  };
  const readme = readFileSync(join(root, "README.md"), "utf8");
  expect(told(readme, "Models", /^\| `([^`]+)` /gm)).toEqual(models);
  expect(told(read("architecture.md"), "Engines that develop", /^- \*\*([^*]+)\*\*/gm)).toEqual(models);
});

test("docs/api.md or docs/limits.md has the reason of each refusal of a call", () => {
  const rooms = ["model", "core", "crypto", "ports", "rpc"].map((room) => `src/${room}/**/*.ts`);
  const sources = globSync(rooms, { cwd: root }).map((file) => readFileSync(join(root, file), "utf8"));
  const given = /(?:DomainError\(\s*"\w+",|unauthenticated\(|refused\()\s*"([A-Z_]+)"/g;
  const reasons = sources.flatMap((source) => [...source.matchAll(given)].map(([, reason = ""]) => reason));
  expect(reasons.length).toBeGreaterThan(30);
  const told = read("api.md") + read("limits.md");
  // Of old systems' routes alone, which have words of their own for them.
  const others = ["FILE_EXISTS", "FILE_TOO_LARGE", "REAUTHENTICATION_NEEDED"];
  expect(reasons.filter((reason) => !told.includes(reason) && !others.includes(reason))).toEqual([]);
});

test("docs/api.md has each action of the audit trail, and no other", () => {
  const names = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name).toSorted();
  const [row = ""] = /^\| action \| string \| What happened.*$/m.exec(read("api.md")) ?? [];
  const actions = names(readFileSync(join(root, "src/model/audit.ts"), "utf8"), /^ {2}\| "([a-z_.]+)"/gm);
  expect(actions.length).toBeGreaterThan(20);
  expect(names(row, /`([a-z_.]+)`/g)).toEqual(actions);
});

/** The rows of docs/configuration.md whose first cell names variables. */
const settings = read("configuration.md")
  .split("\n")
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .filter(([, variable = ""]) => /^`[A-Z_]+`/.test(variable))
  .map(([, variable = "", fallback = "", meaning = "", on = ""]) => {
    const names = [...variable.matchAll(/`([A-Z_]+)`/g)].map(([, name = ""]) => name);
    return { names, fallback, meaning, on };
  });

test("docs/configuration.md has each variable that a process reads, and no other, with who reads it", () => {
  const documented = settings.flatMap(({ names, on }) => names.map((name): [string, string] => [name, on]));
  const [server, worker] = [namesRead(readServerConfig), namesRead(readWorkerConfig)];
  expect(documented.map(([name]) => name).toSorted()).toEqual([...new Set([...server, ...worker])].toSorted());
  const readers = (name: string) => `${server.has(name)}, ${worker.has(name)}`;
  const reads: Readonly<Record<string, string>> = {
    servers: "true, false",
    "each server": "true, false",
    "each worker": "false, true",
    all: "true, true",
    each: "true, true",
    "servers, one worker": "true, true",
  };
  for (const [name, on] of documented) expect([name, reads[on]]).toEqual([name, readers(name)]);
});

/** Where every other setting has something to act on. */
const full: Environment = {
  DARKROOM_SERVER_URL: "http://127.0.0.1",
  DARKROOM_WORKER_HEALTH_PORT: "1",
  AZURE_SERVICEBUS_NAMESPACE: "ns.servicebus.windows.net",
  RELAY_UPSTREAM_URL: "http://127.0.0.1",
  SD_WEBUI_URL: "http://127.0.0.1",
};
const configured = (env: Environment) => [readServerConfig({ ...full, ...env }), readWorkerConfig({ ...full, ...env })];

test("what is unset is as docs/configuration.md says", () => {
  const said = settings.filter(({ fallback }) =>
    /^(\d[\d.]*|true|false|info|\.\/data|darkroom-results)$/.test(fallback),
  );
  expect(said.length).toBeGreaterThan(20);
  for (const { names, fallback } of said)
    for (const name of names) expect([name, configured({ [name]: ` ${fallback}\n` })]).toEqual([name, configured({})]);
});

test("what is given in days is kept for days", () => {
  const days = 24 * 60 * 60 * 1000;
  expect(readServerConfig({})).toMatchObject({
    rotateKeyMs: 90 * days,
    keepUploadMs: 7 * days,
    keepResultMs: 30 * days,
    keepAuditMs: 365 * days,
  });
});

test("docs/configuration.md says how small and how large each number may be, and so it is", () => {
  const numbers = settings.flatMap(({ names, meaning }) => {
    return names.flatMap((name) => {
      const refused = /must be a whole number from (\d+) to (\d+)$/.exec(refusalOf({ [name]: "x" }) ?? "");
      return refused === null ? [] : [{ name, meaning, min: Number(refused[1]), max: Number(refused[2]) }];
    });
  });
  expect(numbers.length).toBeGreaterThan(15);
  for (const { name, meaning, min, max } of numbers) {
    expect([name, meaning]).toEqual([name, expect.stringMatching(`\\b${min} to ${max}\\b`)]);
    for (const good of [min, max]) expect([name, refusalOf({ [name]: String(good) })]).toEqual([name, undefined]);
    for (const bad of [min - 1, max + 1, `${min}.0`, `0x${max}`, "1e2"])
      expect(refusalOf({ [name]: String(bad) })).toMatch(`${name}: must be a whole number`);
  }
});

function refusalOf(env: Environment): string | undefined {
  try {
    configured(env);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Of a worker that tells of its health, and a server by the defaults: other settings make neither read another variable. */
function namesRead(readConfig: (env: Environment) => unknown): Set<string> {
  const env: Environment = { DARKROOM_SERVER_URL: "http://127.0.0.1", DARKROOM_WORKER_HEALTH_PORT: "1" };
  const names = new Set<string>();
  const get = (_: unknown, name: string) => {
    names.add(name);
    return env[name];
  };
  readConfig(new Proxy<Environment>({}, { get }));
  return names;
}

function byNumber(a = "", b = ""): number {
  return a.localeCompare(b, "en", { numeric: true });
}
