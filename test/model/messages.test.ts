import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeJob,
  decodeResult,
  encodeJob,
  encodeResult,
  jobMessageId,
  MalformedMessage,
  type ResultMessage,
} from "../../src/model/queue-messages.ts";
import { sampleJob } from "../contracts/samples.ts";
import { thrownBy } from "./thrown.ts";

const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const reasonOf = (body: Uint8Array, decode: (body: Uint8Array) => unknown) => {
  const error = thrownBy(() => decode(body));
  expect(error).toBeInstanceOf(MalformedMessage);
  return (error as MalformedMessage).message;
};

const notObjects: [string, Uint8Array, string][] = [
  ["nothing", Buffer.alloc(0), "the body is not JSON"],
  ["no JSON", bytes("message_id=1"), "the body is not JSON"],
  ["half of it", bytes('{"message_id":"a"'), "the body is not JSON"],
  ["no UTF-8", Buffer.from([0x22, 0xff, 0x22]), "the body is not JSON"],
  ["an array", bytes([]), "the body is not a JSON object"],
  ["null", bytes("null"), "the body is not a JSON object"],
  ["a text", bytes('"text"'), "the body is not a JSON object"],
  ["a number", bytes("1"), "the body is not a JSON object"],
];

describe("a job's message", () => {
  const job = sampleJob({ prompt: 'é日🙂 "quoted"\n\u0000', dispatch: 3, seed: 4_294_967_295, imageCount: 2 });
  const message = {
    message_id: job.id,
    uuid: job.inputImageId,
    prompt: job.prompt,
    prompt_guidance: 7.5,
    strength: 0.8,
    model_type: "studio",
    token: "job token",
    dispatch: 3,
    seed: 4_294_967_295,
    image_count: 2,
  };

  test("is JSON by the first system's names, and ours after them", () => {
    const encoded = JSON.parse(Buffer.from(encodeJob(job, "job token")).toString());
    expect(encoded).toStrictEqual(message);
    const theirs = ["message_id", "uuid", "prompt", "prompt_guidance", "strength", "model_type", "token"];
    expect(Object.keys(encoded).slice(0, 7)).toEqual(theirs);
  });

  test("comes back as it was", () => expect(decodeJob(encodeJob(job, "job token"))).toStrictEqual(message));

  test("has an id for each deliberate send", () => {
    expect(jobMessageId(job)).toBe(`${job.id}.3`);
    expect(jobMessageId({ ...job, dispatch: 4 })).not.toBe(jobMessageId(job));
    expect(jobMessageId({ ...job, version: 99 })).toBe(jobMessageId(job));
  });

  test.each(Object.entries(message))("is malformed when %s is missing or of another type", (field, value) => {
    const wrong = typeof value === "string" ? 1 : "1";
    for (const changed of [
      { ...message, [field]: undefined },
      { ...message, [field]: wrong },
      { ...message, [field]: null },
    ]) {
      expect(reasonOf(bytes(changed), decodeJob)).toBe(`${field} is missing or of the wrong type`);
    }
  });

  test.each(notObjects)("is malformed when it is %s", (_, body, reason) =>
    expect(reasonOf(body, decodeJob)).toBe(reason),
  );
});

describe("a result", () => {
  const id = "2b1c5a9e-7f0d-4a53-9d58-0f2a3b4c5d6e";

  test("of the first system's workers is the job and its picture, and nothing more", () => {
    const body = bytes(`{"message_id":"${id}","uuid_processed":"picture"}`);
    expect(decodeResult(body)).toStrictEqual({
      jobId: id,
      attempt: null,
      outcome: { kind: "succeeded", imageIds: ["picture"] },
    });
  });

  test.each<[string, ResultMessage, unknown]>([
    [
      "one picture",
      { message_id: id, uuid_processed: "a", attempt: 1 },
      { jobId: id, attempt: 1, outcome: { kind: "succeeded", imageIds: ["a"] } },
    ],
    [
      "several pictures, in order",
      { message_id: id, uuid_processed: "b", uuids_processed: ["b", "a", "c", "d"], attempt: 3 },
      { jobId: id, attempt: 3, outcome: { kind: "succeeded", imageIds: ["b", "a", "c", "d"] } },
    ],
    [
      "a failure",
      { message_id: id, attempt: 2, error: { reason: "R", message: "é", retryable: true } },
      { jobId: id, attempt: 2, outcome: { kind: "failed", error: { reason: "R", message: "é" }, retryable: true } },
    ],
  ])("comes back as it was: %s", (_, message, result) => {
    expect(decodeResult(encodeResult(message))).toStrictEqual(result);
  });

  test("takes nulls and unknown fields as missing", () => {
    const body = bytes({
      message_id: id,
      uuid_processed: "a",
      uuids_processed: null,
      attempt: null,
      error: null,
      extra: [1],
    });
    expect(decodeResult(body)).toStrictEqual({
      jobId: id,
      attempt: null,
      outcome: { kind: "succeeded", imageIds: ["a"] },
    });
  });

  test("may be retried only when it says so", () => {
    for (const retryable of [undefined, false, "true", 1, null]) {
      const { outcome } = decodeResult(bytes({ message_id: id, error: { reason: "R", message: "m", retryable } }));
      expect(outcome).toMatchObject({ kind: "failed", retryable: false });
    }
  });

  test("keeps an error short, and of nothing but its reason and message", () => {
    const error = { reason: "R".repeat(100), message: "m".repeat(5000), stack: "secret" };
    const { outcome } = decodeResult(bytes({ message_id: id, error }));
    const kept = { reason: "R".repeat(64), message: "m".repeat(2000) };
    expect(outcome).toStrictEqual({ kind: "failed", error: kept, retryable: false });
  });

  test("never cuts an error in the middle of a character", () => {
    const error = { reason: `R${"🙂".repeat(100)}`, message: `m${"🙂".repeat(5000)}` };
    const { outcome } = decodeResult(bytes({ message_id: id, error }));
    if (outcome.kind !== "failed") throw new Error("it is a failure");
    expect(outcome.error.reason.isWellFormed()).toBe(true);
    expect(outcome.error.message.isWellFormed()).toBe(true);
  });

  test.each([
    { uuid_processed: "abc.png" },
    { uuid_processed: "a/b" },
    { uuid_processed: "x".repeat(65) },
    { uuid_processed: "a", uuids_processed: ["a", "../b"] },
  ])("fails its job when its picture cannot be fetched by its name: %j", (named) => {
    expect(decodeResult(bytes({ message_id: id, ...named }))).toMatchObject({
      jobId: id,
      attempt: null,
      outcome: { kind: "failed", error: { reason: "PICTURE_ID_UNUSABLE" }, retryable: false },
    });
  });

  const picture = { message_id: id, uuid_processed: "a" };
  const noJob = "message_id is no job's id";
  const noAttempt = "attempt is not a number from 1";
  const noPicture = "uuid_processed names no picture";
  const noReason = "error has no reason or no message";

  test.each<[unknown, string]>([
    [{}, noJob],
    [{ ...picture, message_id: "" }, noJob],
    [{ ...picture, message_id: 1 }, noJob],
    [{ ...picture, message_id: "../etc/passwd" }, noJob],
    [{ ...picture, message_id: "x".repeat(65) }, noJob],
    [{ ...picture, attempt: 0 }, noAttempt],
    [{ ...picture, attempt: -1 }, noAttempt],
    [{ ...picture, attempt: 1.5 }, noAttempt],
    [{ ...picture, attempt: "1" }, noAttempt],
    [{ ...picture, attempt: 2 ** 53 }, noAttempt],
    [{ message_id: id }, noPicture],
    [{ message_id: id, uuid_processed: "" }, noPicture],
    [{ message_id: id, uuid_processed: ["a"] }, noPicture],
    [{ ...picture, uuids_processed: [] }, noPicture],
    [{ ...picture, uuids_processed: ["a", "b", "c", "d", "e"] }, noPicture],
    [{ ...picture, uuids_processed: ["a", 1] }, noPicture],
    [{ ...picture, uuids_processed: ["a", ""] }, noPicture],
    [{ ...picture, uuids_processed: "a" }, noPicture],
    [{ ...picture, uuids_processed: { 0: "a", length: 1 } }, noPicture],
    [{ ...picture, error: {} }, noReason],
    [{ ...picture, error: { reason: "R" } }, noReason],
    [{ ...picture, error: { reason: "R", message: 1 } }, noReason],
    [{ ...picture, error: "failed" }, noReason],
    [{ ...picture, error: false }, noReason],
    [{ ...picture, error: ["R"] }, noReason],
  ])("is malformed: %j", (message, reason) => expect(reasonOf(bytes(message), decodeResult)).toBe(reason));

  test.each(notObjects)("is malformed when it is %s", (_, body, reason) =>
    expect(reasonOf(body, decodeResult)).toBe(reason),
  );

  test("is read or malformed, whatever it is", () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    const keys = ["message_id", "uuid_processed", "uuids_processed", "attempt", "error"];
    const objects = fc.dictionary(
      fc.constantFrom(...keys),
      fc.oneof(value, fc.constantFrom(id, [id], { reason: "r" })),
    );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), objects.map(bytes), value.map(bytes)), (body) => {
        try {
          expect(decodeResult(body).jobId).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
    );
  });
});
