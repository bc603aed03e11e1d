import type { IncomingMessage, ServerResponse } from "node:http";
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
