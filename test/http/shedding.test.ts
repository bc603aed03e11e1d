import type { IncomingMessage, ServerResponse } from "node:http";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createShedding } from "../../src/http/overload/shedding.ts";
import { createLog } from "../../src/log/log.ts";
import type { Call } from "../../src/model/call.ts";
import { overloaded } from "../../src/model/overload.ts";

test("more calls than may be under way are refused, but for those that tell how we are", () => {
  const shed = createShedding({
    isTooMuch: () => false,
    uploadsMax: 1,
    toWire: (refusal) => refusal,
    log: createLog("silent"),
  });
  const ask = (url: string, isTooMany: boolean) =>
    shed({} as Call, { url } as IncomingMessage, {} as ServerResponse, isTooMany);
  expect(ask("/darkroom.auth.v1.AuthService/CheckAuth", false)).toBeUndefined();
  expect(ask("/darkroom.auth.v1.AuthService/CheckAuth", true)).toBe(overloaded);
  for (const url of ["/health/live?x=1", "/health/", "/health/ready/?x=1"]) expect(ask(url, true)).toBeUndefined();
});

test("an upload whose caller left before it was known who they are takes no room", async () => {
  const refusal = new Error("there is no room");
  const shed = createShedding({
    isTooMuch: () => false,
    uploadsMax: 1_000_000,
    toWire: () => refusal,
    log: createLog("silent"),
  });
  const begin = () => {
    const call = {} as Call;
    const request = {
      url: "/darkroom.imagejob.v1.ImageJobService/UploadImage",
      headers: { "content-length": "600000" },
    } as IncomingMessage & { onPiece?(piece: Buffer): void };
    const response = new Writable();
    shed(call, request, response as ServerResponse, false);
    return { call, request, response };
  };
  const left = begin();
  left.response.destroy();
  await new Promise((resolve) => setImmediate(resolve));
  left.call.bodyRoom?.take();
  left.request.onPiece?.(Buffer.alloc(600_000));
  const stays = begin();
  stays.call.bodyRoom?.take();
  expect(() => begin().call.bodyRoom?.take()).toThrow(refusal);
});
