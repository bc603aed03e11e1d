import type { IncomingMessage, ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { createShedding } from "../../src/http/shedding.ts";
import { createLog } from "../../src/log.ts";
import type { Call } from "../../src/model/call.ts";
import { overloaded } from "../../src/model/overload.ts";

test("more calls than may be under way are refused, but for those that tell how we are", () => {
  const shed = createShedding({
    isTooMuch: () => false,
    callsMax: 2,
    uploadsMax: 1,
    toWire: (refusal) => refusal,
    log: createLog("silent"),
  });
  const ask = (url: string, open: number) =>
    shed({} as Call, { url } as IncomingMessage, {} as ServerResponse, performance.now(), open);
  expect(ask("/darkroom.auth.v1.AuthService/CheckAuth", 2)).toBeUndefined();
  expect(ask("/darkroom.auth.v1.AuthService/CheckAuth", 3)).toBe(overloaded);
  expect(ask("/health/live?x=1", 3)).toBeUndefined();
});
