import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { allocator, nodeOptions } from "../../bench/support/darkroom.ts";
import { collectWhenIdle } from "../../src/idle.ts";
import { environment, listed } from "../deploy/dockerfile.ts";
import { project } from "../support/consumer.ts";

function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test("garbage is collected once after work, when there is no more of it, and not before", async () => {
  const collections: number[] = [];
  onTestFinished(collectWhenIdle((() => void collections.push(performance.now())) as NodeJS.GCFunction));
  const busy = setInterval(work, 100, 20);
  const start = performance.now();
  await vi.waitUntil(() => performance.now() - start > 8000, { timeout: 60_000 });
  expect(collections).toEqual([]);
  clearInterval(busy);
  await vi.waitUntil(() => collections.length > 0, { timeout: 60_000 });
  await vi.waitUntil(() => performance.now() - (collections[0] ?? 0) > 8000, { timeout: 60_000 });
  expect(collections).toHaveLength(1);
});

test("npm start, the image and the benchmarks start Node alike", () => {
  const { scripts } = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  const [, variables = "", options = ""] = /^(.*?) exec node (.*) src\/main\.ts serve$/.exec(scripts.start) ?? [];
  expect(options.split(" ")).toEqual(nodeOptions);
  expect(listed("ENTRYPOINT")).toEqual(["node", ...nodeOptions, "src/main.ts"]);
  expect(Object.fromEntries(variables.split(" ").map((text) => text.split("=")))).toMatchObject(allocator);
  expect(environment()).toMatchObject(allocator);
});
