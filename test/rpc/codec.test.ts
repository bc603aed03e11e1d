import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { validateUniversalHandlerOptions } from "@connectrpc/connect/protocol";
import fc from "fast-check";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  Health,
  HealthListResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/health/v1/health_pb.ts";
import { codecsOf } from "../../src/rpc/fast/codec.ts";

const { binary } = codecsOf(Health.method.list, validateUniversalHandlerOptions({}));
const listOf = (names: readonly string[]) =>
  create(HealthListResponseSchema, {
    statuses: Object.fromEntries(names.map((name) => [name, { status: Status.SERVING }])),
  });
const schema = HealthListResponseSchema;

test("writes what protobuf writes, small or large, and never over what it wrote before", () => {
  const name = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.integer({ min: 0, max: 6000 }).map((length) => "ä".repeat(length)),
  );
  fc.assert(
    fc.property(fc.array(fc.array(name, { maxLength: 5 }), { maxLength: 5 }), (all) => {
      const messages = all.map(listOf);
      const written = messages.map((message) => Buffer.from(binary.serialize(message) as Uint8Array));
      const kept = messages.map(binary.serialize);
      expect(written.map(String)).toEqual(messages.map((message) => Buffer.from(toBinary(schema, message)).toString()));
      expect(kept.map((bytes) => Buffer.from(bytes as Uint8Array))).toEqual(written);
    }),
  );
});

test("writes on after a message that cannot be written", () => {
  const wrong = listOf(["a"]);
  (wrong.statuses.a as { status: unknown }).status = "no number";
  expect(() => binary.serialize(wrong)).toThrow("cannot encode field");
  const right = listOf(["b"]);
  expect(Buffer.from(binary.serialize(right) as Uint8Array)).toEqual(Buffer.from(toBinary(schema, right)));
});

describe("large JSON", () => {
  const { json } = codecsOf(Health.method.check, validateUniversalHandlerOptions({}));
  const large = "x".repeat(100_000);

  test.each([
    [`{"service":"${large}"}`],
    [`{"service":"${large}:"}`],
    [`{"unknown":{"a":[1]},"service":"${large}"}`],
    [`\uFEFF{"service":"${large}"}`],
  ])("is read as small JSON is: %.40s", (text) => {
    expect(json.parse(Buffer.from(text))).toMatchObject({ service: expect.stringMatching(/^x{100000}:?$/) });
  });

  test.each([
    [`{"service":"a","service":"${large}"}`, "duplicate object key"],
    [`{"service":"a","\\u0073ervice":"${large}"}`, "duplicate object key"],
    [`{"unknown":{"a":1,"a":2},"service":"${large}"}`, "duplicate object key"],
    [`{"service":"${large}"`, "is not valid JSON|Expected"],
    [`["${large}"]`, "cannot decode message"],
    [`"${large}"`, "cannot decode message"],
    [`{"service":[${" ".repeat(100_000)}]}`, "cannot decode field"],
  ])("is refused as small JSON is: %.40s", (text, told) => {
    const small = text.replace(large, "x").replace(/ {100000}/, "");
    const refused = (bytes: Buffer) => {
      try {
        return json.parse(bytes);
      } catch (error) {
        return error;
      }
    };
    const invalid = { code: Code.InvalidArgument, message: expect.stringMatching(told) };
    expect([refused(Buffer.from(small)), refused(Buffer.from(text))]).toMatchObject([invalid, invalid]);
  });

  test("is not searched for names that come twice where it has one colon", () => {
    const at = vi.spyOn(String.prototype, "substring");
    onTestFinished(() => at.mockRestore());
    json.parse(Buffer.from(`{"service":"${large}"}`));
    expect(at).not.toHaveBeenCalled();
    json.parse(Buffer.from(`{"service":"${large}:"}`));
    expect(at).toHaveBeenCalled();
  });
});
