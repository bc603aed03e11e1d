import { expect, test } from "vitest";
import { isOpen, operations } from "../../src/model/access.ts";
import type { Principal } from "../../src/model/principal.ts";
import { defaultRateLimits, quotasOf, type RateLimits, rateLimitHeaders } from "../../src/model/rate-limits.ts";
import { sampleAccount, sampleClient } from "../contracts/samples.ts";

const login = "darkroom.auth.v1.AuthService/Login";
const check = "darkroom.auth.v1.AuthService/CheckAuth";
const account = sampleAccount();
const user: Principal = { kind: "user", account, sessionId: "s" };

function clientWith(limitPerMinute: number | null): Principal {
  return {
    kind: "client",
    client: sampleClient({ id: "aaaaaaaaaaaaaaaa", limitPerMinute }),
    keyVersion: 1,
    scopes: [],
  };
}

function countsOf(principal: Principal | undefined, operation: string, limits: RateLimits = defaultRateLimits) {
  return quotasOf(limits, operation, principal, "192.0.2.1").map(({ key, limit }) => [key, limit.count]);
}

test("counts a user, a client and an address each by its own limit", () => {
  expect(countsOf(user, check)).toEqual([[`user user:${account.id}`, 600_000]]);
  expect(countsOf(clientWith(null), check)).toEqual([["client client:aaaaaaaaaaaaaaaa", 100]]);
  expect(countsOf(clientWith(7), check)).toEqual([["client client:aaaaaaaaaaaaaaaa", 7]]);
  expect(countsOf(undefined, login)).toEqual([
    ["address address:192.0.2.1", 60_000],
    [`${login} address:192.0.2.1`, 60],
  ]);
});

test("counts an operation for each caller apart, and what is switched off not at all", () => {
  const limits = { [check]: { count: 5, windowMs: 1000 } };
  expect(countsOf(user, check, limits)).toEqual([[`${check} user:${account.id}`, 5]]);
  expect(countsOf(clientWith(null), check, {})).toEqual([]);
  expect(countsOf(clientWith(3), check, {})).toEqual([["client client:aaaaaaaaaaaaaaaa", 3]]);
});

test("leaves alone what services and machines ask, and workers", () => {
  for (const operation of ["darkroom.auth.v1.AuthService/Validate", "grpc.health.v1.Health/Check", "GET /health"])
    expect(countsOf(undefined, operation)).toEqual([]);
  const owner = { kind: "user", account } as const;
  const job: Principal = { kind: "job", jobId: "j", attempt: 1, inputImageId: "i", owner };
  expect(countsOf(job, check)).toEqual([]);
  expect(countsOf({ kind: "worker" }, check, { ...defaultRateLimits, [check]: { count: 1, windowMs: 1000 } })).toEqual(
    [],
  );
});

// What old systems call otherwise counts with these: their routes say so.
test("limits by itself each call that leaves a trace and asks for no credential", () => {
  const writing = operations.filter(
    (operation) => isOpen(operation) && /AuthService|^POST \/auth\/token/.test(operation),
  );
  const names = (operation: string) =>
    quotasOf(defaultRateLimits, operation, undefined, "192.0.2.1").map(({ name }) => name);
  const kept = writing.filter((operation) => !operation.endsWith("/Validate"));
  expect(kept).toHaveLength(8);
  for (const operation of kept) expect(names(operation)).toEqual(["address", operation]);
});

test("counts the addresses of one IPv6 network together", () => {
  const keyOf = (address: string) => quotasOf(defaultRateLimits, check, undefined, address)[0]?.key;
  expect(keyOf("2001:db8::1")).toBe(keyOf("2001:db8::2"));
  expect(keyOf("2001:db8:0:1::1")).not.toBe(keyOf("2001:db8::1"));
  expect(keyOf("::ffff:192.0.2.1")).toBe(keyOf("192.0.2.1"));
});

test("tells each limit in its headers", () => {
  const [general, own] = quotasOf(defaultRateLimits, login, undefined, "192.0.2.1");
  if (general === undefined || own === undefined) throw new Error("a limit is missing");
  const standings = [
    { quota: general, isOver: false, remaining: 59_000, resetMs: 59_001 },
    { quota: own, isOver: true, remaining: 0, resetMs: 1 },
  ];
  expect(rateLimitHeaders(standings)).toEqual({
    policy: `"address";q=60000;w=60, "${login}";q=60;w=60`,
    state: `"address";r=59000;t=60, "${login}";r=0;t=1`,
  });
});
