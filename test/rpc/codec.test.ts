import { create, toBinary } from "@bufbuild/protobuf";
import { validateUniversalHandlerOptions } from "@connectrpc/connect/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
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
