import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { hasCommand } from "../support/commands.ts";
import { project, sh } from "../support/consumer.ts";

/**
 * The official suite (https://github.com/connectrpc/conformance), by its own client, against our port, front and
 * transport. Both the suite and the protos of the service that it calls come from one Go module.
 */
const suite = "connectrpc.com/conformance@v1.0.7";
const cache = join(project, ".cache/conformance");
const protos = join(cache, "protos.binpb");
/** The first time the suite is fetched and compiled. */
const timeoutMs = 300_000;
const hasGo = hasCommand("go");

beforeAll(async () => {
  if (!hasGo) return;
  mkdirSync(cache, { recursive: true });
  const [path, version] = suite.split("@");
  await sh("go", ["install", `${path}/cmd/connectconformance@${version}`], { env: { ...process.env, GOBIN: cache } });
  const { stdout } = await sh("go", ["mod", "download", "-json", suite]);
  const source = join(JSON.parse(stdout).Dir, "proto");
  await sh(join(project, "node_modules/.bin/buf"), ["build", source, "--output", protos]);
}, timeoutMs);

describe.each([
  ["the fast path", "fast"],
  ["connect-node's own path", "stock"],
])("%s", (_what, path) => {
  test("passes the official conformance suite", { timeout: timeoutMs }, async ({ skip }) => {
    if (!hasGo) skip("go is not installed");
    const server = [process.execPath, join(import.meta.dirname, "server.ts"), protos, path];
    const features = join(import.meta.dirname, "features.yaml");
    const outcome = await sh(
      join(cache, "connectconformance"),
      // Few at a time: it compares timeouts with its own clock, and other tests run beside it.
      ["--mode", "server", "--conf", features, "--max-servers", "1", "--parallel", "4", "--", ...server],
      { maxBuffer: 2 ** 28 },
    ).catch((failed: { stdout: string; stderr: string }) => failed);
    const [, cases, passed, failed] = /Total cases: (\d+)\n(\d+) passed, (\d+) failed/.exec(outcome.stdout) ?? [];
    process.stdout.write(`conformance, ${path}: ${passed} of ${cases} cases passed\n`);
    expect(outcome.stdout).not.toContain("FAILED: ");
    expect({ passed, failed }, outcome.stderr).toEqual({ passed: cases, failed: "0" });
    expect(Number(cases)).toBeGreaterThan(5000);
  });
});
