import { describe, expect, test } from "vitest";
import { DomainError } from "../../src/model/errors.ts";
import {
  checkSubmission,
  deadlineMaxMs,
  newJob,
  promptMax,
  requestKey,
  type Submission,
} from "../../src/model/image-job.ts";
import type { ModelRoutes } from "../../src/model/models.ts";
import { sampleTime } from "../contracts/samples.ts";

const now = sampleTime;
const hour = 3_600_000;
const models: ModelRoutes = {
  own: [{ name: "studio", description: "" }],
  named: new Map([["sketch", "sketches"]]),
  rest: undefined,
  defaultModel: "studio",
};
const nan = Number.NaN;
const infinity = Number.POSITIVE_INFINITY;

const least: Submission = {
  imageId: "picture",
  prompt: "a lighthouse",
  promptGuidance: undefined,
  strength: undefined,
  modelType: "",
  seed: undefined,
  imageCount: undefined,
  deadline: undefined,
  requestId: "",
};

/** The fields that broke a rule. */
function broken(change: Partial<Submission>): readonly string[] {
  try {
    checkSubmission({ ...least, ...change }, models, now);
  } catch (error) {
    if (error instanceof DomainError && error.code === "invalid_argument")
      return error.violations.map(({ field }) => field);
    throw error;
  }
  return [];
}

const good: { [Field in keyof Submission]: readonly Submission[Field][] } = {
  imageId: ["x"],
  prompt: ["a", "a".repeat(promptMax), "🙂".repeat(promptMax), "日\nb", `${" ".repeat(promptMax - 1)}x`],
  promptGuidance: [undefined, 0, -0, 1e-300, 7.5, 30],
  strength: [undefined, 0, -0, 0.999, 1],
  modelType: ["", "studio", "sketch"],
  seed: [undefined, 0, 1, 2 ** 32 - 1],
  imageCount: [undefined, 1, 2, 3, 4],
  deadline: [undefined, now + 1, now + deadlineMaxMs],
  requestId: ["", "a", "!~", "x".repeat(128), "owner/id", "$where"],
};

const bad: { [Field in keyof Submission]: readonly Submission[Field][] } = {
  imageId: [""],
  prompt: ["", " \n\t", "a".repeat(promptMax + 1), "🙂".repeat(promptMax + 1), "\uD83D", "a\uFFFD"],
  promptGuidance: [-1e-9, 30.000001, nan, infinity, -infinity],
  strength: [-1e-9, 1.000001, nan, infinity, -infinity],
  modelType: ["Studio", "studio ", "upscale", "__proto__", "has"],
  seed: [-1, 2 ** 32, 0.5, nan, infinity],
  imageCount: [0, 5, -1, 1.5, nan, infinity],
  deadline: [now, now - 1, now + deadlineMaxMs + 1, 0, nan, infinity, -infinity],
  requestId: [" ", "a b", "x".repeat(129), "é", "a\n", "\0", "a\tb", "\x7f", "🙂"],
};

const fields = Object.keys(good) as (keyof Submission)[];
const apiName = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

describe.each(fields)("a submission's %s", (field) => {
  test.each(good[field].map((value) => [value]))("may be %j", (value) => {
    expect(broken({ [field]: value })).toEqual([]);
  });

  test.each(bad[field].map((value) => [value]))("may not be %j", (value) => {
    expect(broken({ [field]: value })).toEqual([apiName(field)]);
  });
});

test("a submission's broken rules are all named at once", () => {
  const worst = Object.fromEntries(fields.map((field) => [field, bad[field][0]])) as Partial<Submission>;
  expect(broken(worst)).toEqual(fields.map(apiName));
});

describe("a new job", () => {
  const made = {
    id: "job",
    ownerId: "owner",
    fingerprint: "print",
    defaultModel: "studio",
    randomSeed: 42,
    now,
    dispatchAt: now + 5,
  };

  test("has defaults for what was not said", () => {
    expect(newJob(least, made)).toStrictEqual({
      id: "job",
      ownerId: "owner",
      requestKey: "job",
      requestId: "",
      fingerprint: "print",
      prompt: "a lighthouse",
      promptGuidance: 7.5,
      strength: 0.8,
      modelType: "studio",
      inputImageId: "picture",
      seed: 42,
      imageCount: 1,
      deadline: now + 24 * hour,
      state: "QUEUED",
      attempt: 0,
      attemptLimit: 3,
      progress: 0,
      error: null,
      outputImageIds: [],
      dispatch: 1,
      oldestDispatch: 1,
      sent: false,
      dispatchAt: now + 5,
      leaseUntil: null,
      createdAt: now,
      queuedAt: now,
      startedAt: null,
      endedAt: null,
      version: 1,
      operation: "job",
    });
  });

  test("keeps what was said, zero too", () => {
    const wanted = { promptGuidance: 0, strength: 0, modelType: "sketch", seed: 0, imageCount: 4, deadline: now + 1 };
    const job = newJob({ ...least, ...wanted, requestId: "once" }, made);
    expect(job).toMatchObject({ ...wanted, requestId: "once", requestKey: "owner/once" });
  });

  test("is found by its owner's request id alone", () => {
    expect(requestKey("owner", "")).toBeUndefined();
    expect(requestKey("a", "b")).not.toBe(requestKey("b", "a"));
    expect(requestKey("owner", "Id")).not.toBe(requestKey("owner", "id"));
  });
});
