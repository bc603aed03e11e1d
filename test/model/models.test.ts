import { describe, expect, test } from "vitest";
import { readServerConfig } from "../../src/config/config.ts";
import { listedModels, type ModelRoutes, modelRule, queueNameOf, queueNames } from "../../src/model/models.ts";

const studio = { name: "studio", description: "edits" };
const named = new Map([
  ["sd", "old-jobs"],
  ["sd-xl", "old-jobs"],
  ["flux", "flux-jobs"],
]);
const closed: ModelRoutes = { own: [studio], named, rest: undefined, defaultModel: "studio" };
const open: ModelRoutes = { ...closed, rest: "everything-else" };

describe("a model's jobs go", () => {
  test.each([
    ["studio", "darkroom-jobs", "darkroom-jobs"],
    ["sd", "old-jobs", "old-jobs"],
    ["flux", "flux-jobs", "flux-jobs"],
    ["Studio", undefined, "everything-else"],
    ["", undefined, "everything-else"],
    ["__proto__", undefined, "everything-else"],
  ])("of %j to %s; to %s where the rest is known", (model, queue, withRest) => {
    expect(queueNameOf(closed, model)).toBe(queue);
    expect(queueNameOf(open, model)).toBe(withRest);
  });

  test("to queues that are all known, each once", () => {
    expect(queueNames(closed)).toEqual(["darkroom-jobs", "old-jobs", "flux-jobs"]);
    expect(queueNames({ ...open, rest: "old-jobs" })).toEqual(["darkroom-jobs", "old-jobs", "flux-jobs"]);
    expect(queueNames({ ...open, named: new Map() })).toEqual(["darkroom-jobs", "everything-else"]);
  });
});

test("models with a name are listed, the default first", () => {
  expect(listedModels(open).map(({ name }) => name)).toEqual(["studio", "sd", "sd-xl", "flux"]);
  expect(listedModels(open)[0]).toEqual(studio);
  for (const [defaultModel, others] of [
    ["sd-xl", ["studio", "sd", "flux"]],
    ["other", ["studio", "sd", "sd-xl", "flux"]],
  ] as const)
    expect(listedModels({ ...open, defaultModel }).map(({ name }) => name)).toEqual([defaultModel, ...others]);
});

test("a job may ask for what somebody takes", () => {
  expect(modelRule("sd", closed)).toBeUndefined();
  expect(modelRule("other", closed)).toBe("must be one of: studio, sd, sd-xl, flux");
  for (const name of ["other", "a b", "x".repeat(64)]) expect(modelRule(name, open)).toBeUndefined();
  for (const name of [" a", "a ", "a\nb", "é", "x".repeat(65)])
    expect(modelRule(name, open)).toMatch(/^must be 1 to 64/);
});

describe("DARKROOM_MODELS", () => {
  const read = (text: string) => readServerConfig({ DARKROOM_MODELS: text }).models;
  const many = (count: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, "q"])));

  test("maps names to queues", () => {
    expect(read(JSON.stringify(Object.fromEntries(named)))).toEqual(named);
    expect(read("")).toEqual(new Map());
    expect(read(`{"a": "${"q".repeat(260)}", "b": "team/gpu_jobs.v2"}`).size).toBe(2);
    expect(read(many(100)).size).toBe(100);
  });

  test.each([
    "sd=old-jobs",
    "[]",
    "null",
    `"sd"`,
    `{"sd": 1}`,
    `{"sd": ""}`,
    `{"sd": "-jobs"}`,
    `{"sd": "a b"}`,
    `{"sd": "${"q".repeat(261)}"}`,
    `{"": "old-jobs"}`,
    `{"a\\nb": "old-jobs"}`,
    `{"sd": "darkroom-jobs"}`,
    `{"sd": "Darkroom-Results"}`,
    many(101),
  ])("is refused as %s", (text) => {
    expect(() => read(text)).toThrow(/^DARKROOM_MODELS: /);
  });
});
