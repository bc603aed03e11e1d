import { toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ClientSchema } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { toClient } from "../../src/rpc/services/convert.ts";
import { sampleClient, sampleTime } from "../contracts/samples.ts";

test("a client's times that a store has with parts of a millisecond are told", () => {
  const client = toClient(sampleClient({ previousKeyUntil: sampleTime + 0.1 }));
  expect(client.previousKeyExpireTime && timestampMs(client.previousKeyExpireTime)).toBe(sampleTime);
  expect(() => toBinary(ClientSchema, client)).not.toThrow();
});
