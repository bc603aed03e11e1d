import Fastify from "fastify";
import { expect, test } from "vitest";
import { addKeySetRoute } from "../../src/http/common/key-set.ts";
import { problemSchema } from "../../src/http/common/schema.ts";

test("a key set may be kept for a minute, and that it cannot be read for no time", async () => {
  const app = Fastify();
  app.addSchema(problemSchema);
  addKeySetRoute(app, "/good", { keySet: async () => ({ keys: [] }) }, {});
  addKeySetRoute(app, "/bad", { keySet: () => Promise.reject(new Error("the database is away")) }, {});
  const [good, bad] = [await app.inject("/good"), await app.inject("/bad")];
  expect([good.statusCode, good.headers["cache-control"], good.json()]).toEqual([
    200,
    "public, max-age=60",
    { keys: [] },
  ]);
  expect([bad.statusCode, bad.headers["cache-control"]]).toEqual([500, undefined]);
});
