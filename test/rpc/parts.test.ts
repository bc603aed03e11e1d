import { create, type Message, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  GetImageResponseSchema,
  ImageSchema,
  UploadImageResponseSchema,
} from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { inParts } from "../../src/rpc/fast/parts.ts";

const serialize = (message: Message) => toBinary(GetImageResponseSchema, message as never);
const split = inParts(GetImageResponseSchema, serialize);
const largeMin = 4 * 1024;

test("the parts of a message are together its binary format", () => {
  const messages = fc.record({
    image: fc.option(fc.record({ id: fc.string(), sizeBytes: fc.bigInt({ min: 0n, max: 2n ** 40n }) }), {
      nil: undefined,
    }),
    size: fc.oneof(fc.nat(300), fc.integer({ min: largeMin - 2, max: largeMin + 2 }), fc.constant(65536)),
    unknown: fc.boolean(),
  });
  fc.assert(
    fc.property(messages, ({ image, size, unknown }) => {
      const data = Buffer.alloc(size, 7);
      const message = create(GetImageResponseSchema, { ...(image && { image: create(ImageSchema, image) }), data });
      if (unknown) message.$unknown = [{ no: 1000, wireType: 0, data: Uint8Array.of(1) }];
      const parts = split(message);
      expect(Buffer.concat(parts).equals(serialize(message))).toBe(true);
      expect(parts.includes(data)).toBe(size >= largeMin && !unknown);
      expect(message.data).toBe(data);
    }),
  );
});

test("a message that does not end with bytes is one part", () => {
  const message = create(UploadImageResponseSchema, { image: { id: "x" } });
  const whole = (each: Message) => toBinary(UploadImageResponseSchema, each as never);
  expect(inParts(UploadImageResponseSchema, whole)(message)).toEqual([whole(message)]);
});
