import { expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { isOpen, operations } from "../../src/model/access.ts";
import { signIn, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

interface Answer {
  readonly description: string;
  readonly content?: Readonly<Record<string, object>>;
  readonly headers?: Readonly<Record<string, object>>;
}

interface Bounds {
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Body {
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly properties: Readonly<Record<string, Bounds>>;
}

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly { readonly name: string; readonly required?: boolean; readonly schema: Bounds }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, { schema: Body }>> };
  readonly responses: Readonly<Record<string, Answer>>;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string; readonly description?: string };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly components: { readonly securitySchemes: Readonly<Record<string, object>> };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

// With every route there is.
const server = await shareServer({ RELAY_UPSTREAM_URL: "http://127.0.0.1:9" }, { worker: false });
const response = await fetch(`${server.url}/openapi.json`);
const document = (await response.json()) as Document;

const routes = operations.filter((operation) => operation.includes(" "));
const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
);

/** A route as the document writes it. */
function written(route: string): string {
  return route.replace("*", "{path}").replace(/:(\w+)/g, "{$1}");
}

function documentedAs(route: string): Operation | undefined {
  return documented.find(({ name }) => name === written(route))?.operation;
}

test("is of this version, for wherever it is served", () => {
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json; charset=utf-8"]);
  expect(document).toMatchObject({ openapi: "3.1.0", info: { version: manifest.version }, servers: [{ url: "/" }] });
});

test("has every route that is served, and no other", () => {
  const served = [...routes.map(written), "HEAD /v1/{path}"];
  expect(documented.map(({ name }) => name).sort()).toEqual(served.sort());
});

test.each(routes)("%s says what it is for, who may call it, and what it answers", (route) => {
  const { summary = "", tags = [], security, responses } = documentedAs(route) ?? { responses: {} };
  expect(summary).not.toBe("");
  expect(document.tags.filter(({ description }) => description !== "").map(({ name }) => name)).toEqual(
    expect.arrayContaining([...tags]),
  );
  expect(tags).toHaveLength(1);
  const alternatives = security?.map((schemes) => Object.keys(schemes));
  expect(Object.keys(document.components.securitySchemes)).toEqual(
    expect.arrayContaining(alternatives?.flat() ?? [""]),
  );
  // A credential is asked for where the access table does, or nothing is there.
  const isHidden = route.includes("/api/collections/users/records");
  const least = Math.min(...(alternatives ?? [[]]).map(({ length }) => length));
  if (!isOpen(route) && !isHidden) expect([1, 2]).toContain(least);
  const answers = Object.entries(responses);
  expect(answers.filter(([status]) => /^2(\d\d|XX)$/.test(status))).not.toEqual([]);
  for (const [, { description, headers }] of answers) {
    expect(description).not.toMatch(/^(Default Response)?$/);
    expect(headers).toHaveProperty("X-Request-Id");
  }
});

test("has what is answered before a route is reached", () => {
  const statuses = (route: string) => Object.keys(documentedAs(route)?.responses ?? {}).join(" ");
  expect(statuses("GET /health/live")).toBe("200 500");
  expect(statuses("GET /openapi.json")).toBe("200 429 500");
  expect(statuses("POST /auth/v1/token")).toBe("200 400 413 415 429 500 503");
  // Who is not known is answered otherwise.
  expect(statuses("GET /api/check_auth")).toBe("200 403 429 500 503");
  expect(statuses("GET /api/collections/users/records")).toBe("200 400 429 500 503");
  expect(statuses("GET /download/:uuid")).toBe("200 400 401 403 404 414 429 500 503");
  expect(statuses("DELETE /admin/clients/:id")).toBe("204 400 401 403 404 413 414 415 429 500 503");
  expect(statuses("POST /v1/chat")).toBe("2XX 3XX 4XX 5XX");
  const late = documentedAs("POST /images")?.responses["429"];
  expect(Object.keys(late?.headers ?? {})).toEqual(["X-Request-Id", "RateLimit", "RateLimit-Policy", "Retry-After"]);
  expect(Object.keys(late?.content ?? {})).toEqual(["application/problem+json"]);
});

test("promises no form of a picture's id, which an image service makes up", () => {
  const { content } = documentedAs("POST /images")?.responses["201"] ?? {};
  expect(content?.["application/json"]).toMatchObject({ schema: { properties: { uuid: { type: "string" } } } });
  expect(JSON.stringify(content)).not.toContain("format");
});

test.each([
  [401, "There is no bearer token.", {}],
  [403, "The token is not valid, or no user's.", { authorization: "Bearer nobodys" }],
])("says why a caller of Supabase's routes is refused by %i", async (status, why, headers) => {
  expect((await fetch(`${server.url}/auth/v1/user`, { headers })).status).toBe(status);
  expect(documentedAs("GET /auth/v1/user")?.responses[status]?.description).toBe(why);
});

const { credential: someone } = await signIn(server);
const { credential: admin } = await signInAdmin(server);
const json = { "content-type": "application/json" };
const form = { "content-type": "application/x-www-form-urlencoded" };
const bodyOf = (route: string, type = json["content-type"]) => documentedAs(route)?.requestBody?.content[type]?.schema;

function send(route: string, query: string, init: RequestInit, { headers } = someone): Promise<Response> {
  const [method = "", path = ""] = route.split(" ");
  return fetch(`${server.url}${path}${query}`, { method, ...init, headers: { ...headers, ...init.headers } as never });
}

test.each<[string, Record<string, string>]>([
  ["GET /api/send_message", { prompt: "a", prompt_guidance: "7", strength: "1", uuid: "a" }],
  ["GET /api/get_image", { message_id: "a" }],
  ["POST /auth/v1/token", { grant_type: "password" }],
])("says what the query of %s must have", async (route, query) => {
  const required = documentedAs(route)?.parameters?.filter((parameter) => parameter.required) ?? [];
  expect(required.map(({ name }) => name)).toEqual(Object.keys(query));
  for (const missing of Object.keys(query)) {
    const rest = new URLSearchParams(Object.entries(query).filter(([name]) => name !== missing));
    expect((await send(route, `?${rest}`, {})).status).toBe(400);
  }
});

const password = "a-long-enough-one";
test.each<[string, Record<string, string>]>([
  ["POST /api/collections/users/auth-with-password", { identity: "ada", password }],
  ["POST /api/collections/users/request-password-reset", { email: "ada@example.com" }],
  ["POST /api/collections/users/confirm-password-reset", { token: "a", password, passwordConfirm: password }],
  ["POST /api/collections/users/records", { password, passwordConfirm: password }],
  ["POST /auth/v1/signup", { email: "ada@example.com", password }],
  ["POST /auth/v1/token", {}],
  ["POST /auth/v1/recover", { email: "ada@example.com" }],
])("says what the body of %s must have", async (route, body) => {
  expect(documentedAs(route)?.requestBody?.required).toBe(true);
  expect(bodyOf(route)).toMatchObject({ type: "object", required: Object.keys(body) });
  const incomplete = Object.keys(body).map((missing) => ({ ...body, [missing]: undefined }));
  for (const part of [null, {}, ...incomplete]) {
    const { status } = await send(route, "?grant_type=password", { headers: json, body: JSON.stringify(part) });
    expect([part, [400, 422].includes(status)]).toEqual([part, true]);
  }
});

test("says what the form of a token's request must have, though in JSON its body may be left out", async () => {
  const route = "POST /auth/token";
  expect(documentedAs(route)?.requestBody?.required).toBe(false);
  expect(bodyOf(route, form["content-type"])).toMatchObject({ type: "object", required: ["grant_type"] });
  for (const body of ["", "client_id=a&client_secret=b"])
    expect((await send(route, "", { headers: form, body })).status).toBe(400);
});

test("says how long a page and a grace may be, and that a change is not of nothing", async () => {
  const path = "/admin/clients";
  const asked = async (route: string, query: string, body?: object) =>
    (await send(route, query, body ? { headers: json, body: JSON.stringify(body) } : {}, admin)).status;
  const page = documentedAs(`GET ${path}`)?.parameters?.find(({ name }) => name === "page_size")?.schema;
  const grace = bodyOf(`POST ${path}/:id/regenerate-key`)?.properties.grace_period;
  expect([page, grace]).toMatchObject([
    { minimum: 0, maximum: 100 },
    { minimum: 0, maximum: 2_592_000 },
  ]);
  const { client } = await server.auth.createClient({ client: { name: "a" } }, admin);
  const byId = `${path}/${client?.id}`;
  for (const [size, status] of [
    [-1, 400],
    [0, 200],
    [100, 200],
    [101, 400],
  ] as const)
    expect(await asked(`GET ${path}`, `?page_size=${size}`)).toBe(status);
  for (const [seconds, status] of [
    [-1, 400],
    [0, 200],
    [2_592_000, 200],
    [2_592_001, 400],
  ] as const)
    expect(await asked(`POST ${byId}/regenerate-key`, "", { grace_period: seconds })).toBe(status);
  expect(bodyOf(`PATCH ${path}/:id`)?.minProperties).toBe(1);
  expect(await asked(`PATCH ${byId}`, "", {})).toBe(400);
});

test("tells where another method is 405, and where it is not there", async () => {
  const { description = "" } = document.info;
  expect(description.replaceAll("\n", " ")).toContain("under `/api` and `/auth/v1` both are the old systems' own 404");
  const statuses = ["/health", "/api/health", "/auth/v1/health"].map(async (path) => {
    const { status, headers } = await fetch(server.url + path, { method: "DELETE" });
    return [path, status, headers.get("allow")];
  });
  expect(await Promise.all(statuses)).toEqual([
    ["/health", 405, "GET, HEAD"],
    ["/api/health", 404, null],
    ["/auth/v1/health", 404, null],
  ]);
});

test.each([
  [400, "/download/%zz"],
  [414, `/download/${"a".repeat(129)}`],
])("answers %i with a problem to what leads to no route", async (status, path) => {
  const { credential } = await signIn(server);
  const refused = await fetch(server.url + path, { headers: credential.headers as Record<string, string> });
  expect([refused.status, refused.headers.get("content-type")]).toEqual([
    status,
    "application/problem+json; charset=utf-8",
  ]);
  expect(await refused.json()).toMatchObject({ status, request_id: refused.headers.get("x-request-id") });
});

test.each([
  ["a number for a text", { api_key: 123 }, "api_key", "must be string"],
  ["null for a text", { api_key: null }, "api_key", "must be string"],
])("takes a body at its word: %s", async (_what, body, field, rule) => {
  const refused = await fetch(`${server.url}/auth/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect([refused.status, await refused.json()]).toMatchObject([400, { errors: [{ field, rule }] }]);
});
