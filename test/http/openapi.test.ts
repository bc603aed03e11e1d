import Fastify from "fastify";
import { expect, test } from "vitest";
import { addOpenApi } from "../../src/http/openapi/openapi.ts";

async function documentOf(schema: object, config: object = {}) {
  const app = Fastify();
  await addOpenApi(app);
  app.route({ method: "POST", url: "/images", schema, config, handler: () => "" });
  const { body } = await app.inject("/openapi.json");
  await app.close();
  return JSON.parse(body).paths["/images"].post;
}

test("a route's own word on an answer counts", async () => {
  const { responses } = await documentOf({ response: { 401: { description: "Nobody.", type: "object" } } });
  expect(responses[401]).toMatchObject({ description: "Nobody.", content: { "application/json": {} } });
  expect(responses[403].content).toHaveProperty(["application/problem+json"]);
});

test("refusals look as their route has them", async () => {
  const refusalAnswer = (description: string) => ({ description: `Oh: ${description}`, type: "object" });
  const { responses } = await documentOf({}, { refusalAnswer });
  const { description, content } = responses[403];
  expect([description, Object.keys(content)]).toEqual([
    "Oh: The credential may not make this call.",
    ["application/json"],
  ]);
});

test("a body may be left out where it may be null", async () => {
  const isRequired = async (body: object) => (await documentOf({ body })).requestBody.required;
  expect(await isRequired({ type: "object" })).toBe(true);
  expect(await isRequired({ type: ["object", "null"] })).toBe(false);
  expect(await isRequired({ content: { "image/png": { schema: {} } } })).toBe(true);
  const some = { "image/png": { schema: {} }, "application/json": { schema: { type: ["object", "null"] } } };
  expect(await isRequired({ content: some })).toBe(false);
});

test("a route may tell more than its schema looks at", async () => {
  const body = { type: ["object", "null"], properties: { email: { type: "string" } } };
  const documented = { body: { ...body, type: "object", required: ["email"] } };
  const { requestBody } = await documentOf({ body, documented }, { isStruct: true });
  expect(requestBody).toMatchObject({ required: true, content: { "application/json": { schema: documented.body } } });
});

test("a field may be null where that is as if it were not given", async () => {
  const body = { type: "object", properties: { email: { type: "string", description: "Whose." } } };
  const fieldOf = async (config?: object) => {
    const { requestBody } = await documentOf({ body }, config);
    return requestBody.content["application/json"].schema.properties.email;
  };
  expect(await fieldOf()).toEqual({ type: "string", description: "Whose." });
  expect(await fieldOf({ isStruct: true })).toEqual({
    description: "Whose.",
    anyOf: [{ type: "string" }, { type: "null" }],
  });
});
