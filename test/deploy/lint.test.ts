import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hasCommand } from "../support/commands.ts";
import { project } from "../support/consumer.ts";
import { checker } from "./checkers.ts";
import { copied } from "./dockerfile.ts";

const path = "deploy/azure/main.bicep";
const source = readFileSync(join(project, path), "utf8");
const timeoutMs = 300_000;
const parse = "import json, pycep, sys; print(json.dumps(pycep.BicepParser().parse(text=open(sys.argv[1]).read())))";

interface Parsed {
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
}

test("hadolint has nothing against the Dockerfile", { timeout: timeoutMs }, async ({ skip }) => {
  if (!hasCommand("python3")) skip("python3 is not installed");
  expect(await checker("hadolint", "deploy/Dockerfile")).toBe("");
});

/** At the root, where every builder looks: `az acr build` takes none beside the Dockerfile, and would send data/ and .env. */
test("an image's builder is sent what the Dockerfile copies, and nothing else", () => {
  const lines = readFileSync(join(project, ".dockerignore"), "utf8").split("\n");
  const [all, ...rest] = lines.filter((line) => line !== "" && !line.startsWith("#"));
  expect(all).toBe("*");
  const paths = [...new Set(copied())];
  const outermost = paths.filter((path) => !paths.some((other) => path.startsWith(`${other}/`)));
  expect(rest.toSorted()).toEqual(outermost.map((path) => `!${path}`).toSorted());
});

test("main.bicep can be parsed, and names nothing that it does not declare", { timeout: timeoutMs }, async ({
  skip,
}) => {
  if (!hasCommand("python3")) skip("python3 is not installed");
  const parsed: Parsed = JSON.parse(await checker("python", "-c", parse, path));
  const declared = [parsed.parameters, parsed.variables, parsed.resources].flatMap(Object.keys);
  expect(Object.keys(parsed.outputs)).toEqual(["url", "serviceBus"]);
  const literals = ["true", "false"];
  const bare = [...source.matchAll(/^ *(?:\w+: )?([a-z]\w*)$/gm)].map(([, name = ""]) => name);
  const members = [...source.matchAll(/\b([a-z]\w*)!?\.(?:id|name|properties|list\w+)\b/g)].map(
    ([, name = ""]) => name,
  );
  const unknown = [...bare, ...members].filter((name) => !literals.includes(name) && !declared.includes(name));
  expect(unknown.filter((name) => name !== "name")).toEqual([]);
  expect(bare.length + members.length).toBeGreaterThan(30);
});

test("main.bicep sets only variables that Darkroom reads", () => {
  const folder = join(project, "src/config");
  const config = readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .join();
  const names = [...source.matchAll(/name: '([A-Z][A-Z_]+)'/g)].map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(5);
  // The Azure SDK's own, and the queues' names.
  const own = names.filter((name) => !name.startsWith("AZURE_"));
  expect(own.filter((name) => !config.includes(`"${name}"`))).toEqual([]);
});

test("the worker in deploy/README.md can answer the image's health check", () => {
  const page = readFileSync(join(project, "deploy/README.md"), "utf8");
  const workers = page.match(/^docker run .* worker$/gm);
  expect(workers).toEqual([expect.stringContaining(" -e DARKROOM_WORKER_HEALTH_PORT=")]);
});
