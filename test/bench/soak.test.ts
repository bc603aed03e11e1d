import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { risesIn, type Stretch, stretchesMin } from "../../bench/support/soak-verdict.ts";
import { project } from "../support/consumer.ts";

const flat: Stretch = { liveMiB: 60, residentMiB: 200, cpuUs: 60, p50: 2, p99: 15 };
const soak = (change: (part: number) => Partial<Stretch>, count = 20) =>
  Array.from({ length: count }, (_, index) => ({ ...flat, ...change(index / (count - 1)) }));

test.each<[string, (part: number) => Partial<Stretch>, string[]]>([
  ["nothing", () => ({}), []],
  ["a heap that grows by a tenth", (part) => ({ liveMiB: 60 * (1 + part / 10) }), []],
  ["a heap that grows by a third", (part) => ({ liveMiB: 60 * (1 + part / 3) }), ["liveMiB"]],
  ["buffers that pile up", (part) => ({ residentMiB: 200 + 100 * part }), ["residentMiB"]],
  ["calls that become slower", (part) => ({ p50: 2 + 4 * part, p99: 15 + 60 * part }), ["p50", "p99"]],
  ["calls that take more work", (part) => ({ cpuUs: 60 + 60 * part }), ["cpuUs"]],
  ["one slow stretch", (part) => (part > 0.4 && part < 0.5 ? { p50: 50, p99: 500 } : {}), []],
  ["a heap that becomes smaller", (part) => ({ liveMiB: 60 - 20 * part }), []],
])("%s is told from the rest", (_, change, rises) => {
  expect(risesIn(soak(change))?.map(({ what }) => what)).toEqual(rises);
});

test("the first stretch does not count, and too few say nothing", () => {
  const warm = [{ ...flat, liveMiB: 1 }, ...soak(() => ({}), stretchesMin)];
  expect(risesIn(warm)).toEqual([]);
  expect(risesIn(warm.slice(1))).toBeUndefined();
});

test("a soak of a few seconds runs to its end", () => {
  const args = ["bench/soak.ts", "--minutes", "0.05", "--every", "1"];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: project, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout.split("\n").filter((line) => /^\| +\d/.test(line))).toHaveLength(3);
  expect(stdout).toContain("Too short to tell.");
});
