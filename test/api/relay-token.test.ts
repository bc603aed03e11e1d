import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { refusalOf } from "../support/refusals.ts";
import { signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({ JWT_EXPIRY: "600" }, { worker: false });
const { auth, url } = server;
const { credential: admin } = await signInAdmin({ auth });
const scopes = ["auth:check", "relay"];
const { client, apiKey } = await auth.createClient({ client: { name: "a phone", scopes } }, admin);
const id = client?.id ?? "";
const wrongKey = `dk_${id}_${"A".repeat(43)}`;

type Headers = Readonly<Record<string, string>>;
const post = (headers: Headers, body?: string) =>
  fetch(`${url}/auth/token`, { method: "POST", headers, ...(body === undefined ? {} : { body }) });
const json = { "content-type": "application/json" };
const form = { "content-type": "application/x-www-form-urlencoded" };
const basic = (name: string, secret: string, scheme = "Basic"): Headers => ({
  ...form,
  authorization: `${scheme} ${Buffer.from(`${name}:${secret}`).toString("base64")}`,
});
const grant = "grant_type=client_credentials";
const inForm = `${grant}&client_id=${id}&client_secret=${apiKey}`;

describe("a key", () => {
  test.each<[string, Headers, string?]>([
    ["JSON", json, JSON.stringify({ api_key: apiKey })],
    [
      "JSON in another charset's name",
      { "content-type": "application/json; charset=UTF-8" },
      JSON.stringify({ api_key: apiKey }),
    ],
    ["its header", { "x-api-key": apiKey }],
    ["its header beside an empty body of JSON", { ...json, "x-api-key": apiKey }, ""],
    ["its header beside an empty object", { ...json, "x-api-key": apiKey }, "{}"],
    ["a bearer token", { authorization: `Bearer ${apiKey}` }],
  ])("is exchanged by %s", async (_, headers, body) => {
    const response = await post(headers, body);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("pragma")).toBe("no-cache");
    const answer = (await response.json()) as { access_token: string };
    expect(answer).toEqual({ access_token: expect.any(String), token_type: "bearer", expires_in: 600 });
    const { exp = 0, iat = 0 } = decodeJwt(answer.access_token);
    expect(exp - iat).toBe(600);
    const { principal } = await auth.checkAuth({}, bearer(answer.access_token));
    expect(principal?.client).toMatchObject({ id, scopes });
  });

  test.each<[string, Headers, string?]>([
    ["form", form, inForm],
    ["form with a charset", { "content-type": `${form["content-type"]}; charset=utf-8` }, inForm],
    ["form in other letters", { "content-type": "Application/X-WWW-Form-URLencoded" }, inForm],
    ["Basic", basic(id, apiKey), grant],
    ["Basic in small letters", basic(id, apiKey, "basic"), grant],
    ["Basic with its parts encoded", basic(id, apiKey.replaceAll("_", "%5f")), grant],
    ["Basic beside its own id", basic(id, apiKey), `${grant}&client_id=${id}`],
  ])("is exchanged as OAuth 2 has it, by %s", async (_, headers, body) => {
    const response = await post(headers, body);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect([response.status, await response.json()]).toEqual([
      200,
      { access_token: expect.any(String), token_type: "bearer", expires_in: 600, scope: "auth:check relay" },
    ]);
  });

  test("is exchanged for some of its scopes", async () => {
    const response = await post(form, `${inForm}&scope=relay`);
    const { access_token: token, scope } = (await response.json()) as { access_token: string; scope: string };
    expect(scope).toBe("relay");
    expect((await auth.validate({ credential: token })).principal?.client?.scopes).toEqual(["relay"]);
  });

  test.each<[string, Headers, string | undefined, number]>([
    ["nothing", {}, undefined, 400],
    ["an empty object", json, "{}", 400],
    ["null", json, "null", 400],
    ["an empty key", json, '{"api_key":""}', 400],
    ["an array for it", json, '{"api_key":["a","b"]}', 400],
    ["a body that is no JSON", json, "{", 400],
    ["an empty body of JSON", json, "", 400],
    ["a body of another type", { "content-type": "text/plain" }, apiKey, 415],
    ["a body above 64 KiB", json, JSON.stringify({ api_key: "x".repeat(65_536) }), 413],
    ["another secret", json, JSON.stringify({ api_key: wrongKey }), 401],
    ["no key at all", json, '{"api_key":"nonsense"}', 401],
    ["a bad one before a good header", { ...json, "x-api-key": apiKey }, JSON.stringify({ api_key: wrongKey }), 401],
  ])("is refused with a problem for %s", async (_, headers, body, status) => {
    const response = await post(headers, body);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    if (status === 401) {
      expect(await refusalOf(response.clone())).toMatchObject({ reason: "CREDENTIAL_INVALID" });
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer /);
    }
    if (body === "{}") expect(await refusalOf(response)).toMatchObject({ fields: ["api_key"] });
  });

  test.each<[string, Headers, string, number, string]>([
    ["no grant", form, `client_id=${id}&client_secret=${apiKey}`, 400, "invalid_request"],
    ["an empty form", form, "", 400, "invalid_request"],
    ["an empty grant", form, "grant_type=", 400, "invalid_request"],
    ["another grant", form, inForm.replace("client_credentials", "password"), 400, "unsupported_grant_type"],
    ["a grant given twice", form, `${inForm}&${grant}`, 400, "invalid_request"],
    ["a secret given twice", form, `${inForm}&client_secret=x`, 400, "invalid_request"],
    ["two ways at once", basic(id, apiKey), inForm, 400, "invalid_request"],
    ["no client", form, grant, 401, "invalid_client"],
    ["no secret", form, `${grant}&client_id=${id}`, 401, "invalid_client"],
    ["no id", form, `${grant}&client_secret=${apiKey}`, 401, "invalid_client"],
    ["another's id", form, inForm.replace(`client_id=${id}`, "client_id=aaaaaaaaaaaaaaaa"), 401, "invalid_client"],
    ["another secret", form, `${grant}&client_id=${id}&client_secret=${wrongKey}`, 401, "invalid_client"],
    ["another secret by Basic", basic(id, wrongKey), grant, 401, "invalid_client"],
    ["Basic that is none", { ...form, authorization: "Basic ???" }, grant, 401, "invalid_client"],
    ["a broken escape", basic("%", "%zz"), grant, 401, "invalid_client"],
    ["a scope it has not", form, `${inForm}&scope=relay%20admin`, 400, "invalid_scope"],
    ["a scope that is none", form, `${inForm}&scope=everything`, 400, "invalid_scope"],
  ])("is refused as OAuth 2 has it for %s", async (_, headers, body, status, error) => {
    const response = await post(headers, body);
    expect([response.status, await response.json()]).toEqual([
      status,
      { error, error_description: expect.any(String) },
    ]);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("www-authenticate")).toBe(status === 401 ? 'Basic realm="darkroom"' : null);
  });

  test("leaves the same trace as by ExchangeApiKey", async () => {
    const listed = async () => {
      const { events } = await auth.listAuditEvents({ pageSize: 2 }, admin);
      return events.map(({ action, actor, target, reason }) => ({ action, actor, target, reason }));
    };
    await auth.exchangeApiKey({ apiKey });
    await auth.exchangeApiKey({ apiKey: wrongKey }).catch(() => {});
    const byCall = await listed();
    await post(json, JSON.stringify({ api_key: apiKey }));
    await post(basic(id, wrongKey), grant);
    expect(await listed()).toEqual(byCall);
    expect(byCall[1]).toMatchObject({ action: "client.key_exchanged", actor: "anonymous", reason: "" });
    expect(byCall[0]).toMatchObject({ action: "client.key_exchanged", reason: "CREDENTIAL_INVALID" });
    expect(byCall.map(({ target }) => target)).toEqual([`client:${id}`, `client:${id}`]);
  });

  test("is not exchanged by another method", async () => {
    const response = await fetch(`${url}/auth/token`, { headers: { "x-api-key": apiKey } });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });
});
