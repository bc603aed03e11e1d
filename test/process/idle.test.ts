import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { allocator, nodeOptions } from "../../bench/support/darkroom.ts";
import { collectWhenIdle } from "../../src/app/idle.ts";
import { environment, listed } from "../deploy/dockerfile.ts";
import { project } from "../support/consumer.ts";

/** A collector that is told of seconds, and of what the event loop does in each. */
function watched() {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const gc = vi.fn();
  let active = 0;
  onTestFinished(collectWhenIdle(gc as unknown as NodeJS.GCFunction, () => active));
  const seconds = (count: number, activeMs: number) => {
    for (let second = 0; second < count; second += 1) {
      active += activeMs;
      vi.advanceTimersByTime(1000);
    }
  };
  return { gc, seconds };
}

test("garbage is collected once after work, when there is no more of it, and not before", () => {
  const { gc, seconds } = watched();
  seconds(60, 4);
  expect(gc, "nothing was done").not.toHaveBeenCalled();
  seconds(12, 20);
  seconds(60, 4);
  expect(gc, "too little was done").not.toHaveBeenCalled();
  seconds(1, 20);
  seconds(4, 19);
  expect(gc, "not quiet for long enough").not.toHaveBeenCalled();
  seconds(1, 20);
  seconds(4, 19);
  expect(gc, "not quiet in between").not.toHaveBeenCalled();
  seconds(60, 19);
  expect(gc).toHaveBeenCalledOnce();
  expect(gc).toHaveBeenCalledWith({ type: "major", flavor: "last-resort", execution: "sync" });
});

test("where timers alone take long, less than thrice as much is quiet, and a tenth of the time is not", () => {
  const { gc, seconds } = watched();
  seconds(1, 500);
  seconds(60, 100);
  expect(gc).not.toHaveBeenCalled();
  seconds(1, 30);
  seconds(4, 89);
  expect(gc).toHaveBeenCalledOnce();
  seconds(10, 90);
  seconds(60, 89);
  expect(gc).toHaveBeenCalledTimes(2);
});

test("a server that Node gives no collector does without", () => {
  expect(collectWhenIdle(undefined)).not.toThrow();
});

test("npm start, npm run worker, the image and the benchmarks start Node alike", () => {
  const { scripts } = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  const [, variables = "", options = ""] =
    /^(.*?) exec node (.*) \.cache\/server\/main\.js serve$/.exec(scripts.start) ?? [];
  expect(options.split(" ")).toEqual(nodeOptions);
  expect(scripts.worker).toContain(` exec node ${options} .cache/server/main.js worker`);
  expect(listed("ENTRYPOINT")).toEqual(["node", ...nodeOptions, "server/main.js"]);
  expect(Object.fromEntries(variables.split(" ").map((text) => text.split("=")))).toMatchObject(allocator);
  expect(environment()).toMatchObject(allocator);
});
