import { describe, expect, test } from "vitest";
import { refusalOf } from "../support/refusals.ts";
import { signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { auth, url } = server;
const { credential: admin } = await signInAdmin({ auth });

interface Answer {
  readonly id: string;
  readonly api_key: string;
  readonly limit_per_minute: number | null;
  readonly clients: readonly Answer[];
  readonly next_page_token: string;
}

const send = (method: string, path = "", body?: unknown) =>
  fetch(`${url}/admin/clients${path}`, {
    method,
    headers: { ...(admin.headers as object), ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const call = async (method: string, path = "", body?: unknown) =>
  (await (await send(method, path, body)).json()) as Answer;
const isGood = async (credential: string) => (await auth.validate({ credential })).valid;
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

describe("a client by the old paths", () => {
  test("is made with a key that is shown this once", async () => {
    const end = new Date(Date.now() + 3_600_000).toISOString();
    const wanted = { name: "Übersetzer 🛠", description: "at night", scopes: ["relay", "jobs:read"], expire_time: end };
    const response = await send("POST", "", wanted);
    expect([response.status, response.headers.get("cache-control")]).toEqual([201, "no-store"]);
    const { api_key: key, ...made } = (await response.json()) as Answer;
    expect(key).toMatch(new RegExp(`^dk_${made.id}_`));
    expect(made).toEqual({
      ...wanted,
      id: expect.any(String),
      scopes: ["jobs:read", "relay"],
      limit_per_minute: null,
      disabled: false,
      create_time: time,
      last_use_time: null,
      previous_key_expire_time: null,
    });
    expect(await call("GET", `/${made.id}`)).toEqual(made);
    expect(await isGood(key)).toBe(true);
    expect((await auth.getClient({ clientId: made.id }, admin)).client).toMatchObject({ name: wanted.name });
  });

  test("may call the relay where nothing is said of scopes, and nothing by an empty list", async () => {
    expect(await call("POST", "", { name: "a" })).toMatchObject({ scopes: ["relay"] });
    expect(await call("POST", "", { name: "a", scopes: [] })).toMatchObject({ scopes: [] });
  });

  test("is listed by page, the newest first, without keys", async () => {
    for (const name of ["one", "two", "three"]) await send("POST", "", { name });
    const first = await call("GET", "?page_size=2");
    expect(first.clients.map((client) => (client as unknown as { name: string }).name)).toEqual(["three", "two"]);
    const second = await call("GET", `?page_size=1&page_token=${first.next_page_token}`);
    expect(second.clients).toMatchObject([{ name: "one" }]);
    const all = await call("GET");
    expect(JSON.stringify(all)).not.toMatch(/api_key|dk_|Hash|\$2/);
    expect(all.next_page_token).toBe("");
  });

  test("is changed in what the body has", async () => {
    const { id, api_key: key } = await call("POST", "", { name: "a", scopes: ["relay"] });
    expect(await call("PATCH", `/${id}`, { description: "b" })).toMatchObject({
      name: "a",
      description: "b",
      scopes: ["relay"],
    });
    const soon = new Date(Date.now() + 60_000).toISOString();
    expect(await call("PATCH", `/${id}`, { name: "c", expire_time: soon })).toMatchObject({
      name: "c",
      expire_time: soon,
    });
    expect(await call("PATCH", `/${id}`, { expire_time: null, scopes: [] })).toMatchObject({
      expire_time: null,
      scopes: [],
    });
    expect(await isGood(key)).toBe(true);
    expect(await call("PATCH", `/${id}`, { disabled: true })).toMatchObject({ disabled: true });
    expect(await isGood(key)).toBe(false);
  });

  test("has a limit of its own, or the default", async () => {
    const limit = async (method: string, path: string, body: object) => {
      const { id, limit_per_minute } = await call(method, path, body);
      const { client } = await auth.getClient({ clientId: id }, admin);
      expect(client?.limitPerMinute).toBe(limit_per_minute ?? 0);
      expect(await call("GET", `/${id}`)).toMatchObject({ limit_per_minute });
      return { id, limit_per_minute };
    };
    const { id, ...made } = await limit("POST", "", { name: "a", limit_per_minute: 30 });
    expect(made).toEqual({ limit_per_minute: 30 });
    expect(await limit("PATCH", `/${id}`, { limit_per_minute: 500 })).toEqual({ id, limit_per_minute: 500 });
    expect(await limit("PATCH", `/${id}`, { name: "b" })).toEqual({ id, limit_per_minute: 500 });
    for (const none of [null, 0]) {
      await limit("PATCH", `/${id}`, { limit_per_minute: 500 });
      expect(await limit("PATCH", `/${id}`, { limit_per_minute: none })).toEqual({ id, limit_per_minute: null });
    }
  });

  test("gets a new key, at once or while the old one works on", async () => {
    const made = await call("POST", "", { name: "a" });
    const second = await call("POST", `/${made.id}/regenerate-key`);
    expect([await isGood(made.api_key), await isGood(second.api_key)]).toEqual([false, true]);
    const response = await send("POST", `/${made.id}/regenerate-key`, { grace_period: 60 });
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const third = (await response.json()) as Answer;
    expect(third).toMatchObject({ id: made.id, previous_key_expire_time: time });
    expect([await isGood(second.api_key), await isGood(third.api_key)]).toEqual([true, true]);
  });

  test("is deleted", async () => {
    const { id, api_key: key } = await call("POST", "", { name: "a" });
    const response = await send("DELETE", `/${id}`);
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect(await isGood(key)).toBe(false);
    expect((await send("GET", `/${id}`)).status).toBe(404);
  });

  test.each([
    ["GET", ""],
    ["PATCH", ""],
    ["DELETE", ""],
    ["POST", "/regenerate-key"],
  ])("is not found by %s where there is none", async (method, more) => {
    const body = method === "PATCH" ? { name: "a" } : undefined;
    for (const id of ["aaaaaaaaaaaaaaaa", "x", crypto.randomUUID(), "..%2f.."]) {
      const refused = await refusalOf(await send(method, `/${id}${more}`, body));
      expect(refused).toMatchObject({ status: 404, reason: "CLIENT_NOT_FOUND" });
    }
  });

  test.each<[string, unknown, string]>([
    ["no body", undefined, "body"],
    ["no name", {}, "name"],
    ["an empty name", { name: "" }, "name"],
    ["a name of 101 characters", { name: "x".repeat(101) }, "name"],
    ["a name that is an object", { name: {} }, "name"],
    ["a description of 1001 characters", { name: "a", description: "x".repeat(1001) }, "description"],
    ["a scope that is none", { name: "a", scopes: ["everything"] }, "scopes"],
    ["scopes that are an object", { name: "a", scopes: {} }, "scopes"],
    ["an end in the past", { name: "a", expire_time: "2020-01-01T00:00:00Z" }, "expire_time"],
    ["an end after the year 9999", { name: "a", expire_time: "9999-12-31T23:59:59-12:00" }, "expire_time"],
    ["an end that is no time", { name: "a", expire_time: "tomorrow" }, "expire_time"],
    ["an end on no day", { name: "a", expire_time: "2030-02-31T00:00:00Z" }, "expire_time"],
    ["a limit below 1", { name: "a", limit_per_minute: -1 }, "limit_per_minute"],
    ["a limit above a million", { name: "a", limit_per_minute: 1_000_001 }, "limit_per_minute"],
    ["half a limit", { name: "a", limit_per_minute: 1.5 }, "limit_per_minute"],
    ["a flag that is none", { name: "a", disabled: "maybe" }, "disabled"],
  ])("is not made with %s", async (_, body, field) => {
    const refused = await refusalOf(await send("POST", "", body));
    expect(refused).toMatchObject({ status: 400, fields: [expect.stringContaining(field)] });
  });

  test("is not made of a body of another type, and the answer says which it must be", async () => {
    const headers = { ...(admin.headers as object), "content-type": "application/xml" };
    const response = await fetch(`${url}/admin/clients`, { method: "POST", headers, body: "<client/>" });
    expect(await refusalOf(response)).toMatchObject({
      status: 415,
      reason: "BODY_TYPE_UNSUPPORTED",
      message: "the body's type must be application/json",
    });
  });

  test("is not changed by nothing, nor beyond the rules", async () => {
    const { id } = await call("POST", "", { name: "a" });
    for (const [body, field] of [
      [{}, "body"],
      [{ nothing: 1 }, "body"],
      [{ name: "" }, "name"],
    ] as const) {
      expect(await refusalOf(await send("PATCH", `/${id}`, body))).toMatchObject({ status: 400, fields: [field] });
    }
    for (const grace of [-1, 30 * 24 * 3600 + 1, "soon", 1.5]) {
      const refused = await refusalOf(await send("POST", `/${id}/regenerate-key`, { grace_period: grace }));
      expect(refused).toMatchObject({ status: 400, fields: ["grace_period"] });
    }
    expect((await send("POST", `/${id}/regenerate-key`, { grace_period: 30 * 24 * 3600 })).status).toBe(200);
    for (const query of ["page_size=101", "page_size=-1", "page_size=x", "page_token=x"]) {
      const refused = await refusalOf(await send("GET", `?${query}`));
      expect(refused).toMatchObject({ status: 400, fields: [query.split("=")[0]] });
    }
  });

  test("is deleted, and given a new key, by callers that name a type where they send no body", async () => {
    const { id } = await call("POST", "", { name: "a" });
    const headers = { ...(admin.headers as object), "content-type": "application/json" };
    const sent = (method: string, path: string) => fetch(`${url}/admin/clients/${path}`, { method, headers });
    expect((await sent("POST", `${id}/regenerate-key`)).status).toBe(200);
    expect((await sent("DELETE", id)).status).toBe(204);
  });

  test("leaves the same trace as by the calls", async () => {
    const { client } = await auth.createClient({ client: { name: "a" } }, admin);
    const clientId = client?.id ?? "";
    await auth.updateClient({ client: { id: clientId, name: "b" }, updateMask: { paths: ["name"] } }, admin);
    await auth.regenerateClientKey({ clientId }, admin);
    await auth.deleteClient({ clientId }, admin);
    await auth.deleteClient({ clientId }, admin).catch(() => {});
    const { id } = await call("POST", "", { name: "a" });
    await send("PATCH", `/${id}`, { name: "b" });
    await send("POST", `/${id}/regenerate-key`);
    await send("DELETE", `/${id}`);
    await send("DELETE", `/${id}`);
    const traceOf = async (client: string) => {
      const { events } = await auth.listAuditEvents({ target: `client:${client}` }, admin);
      return events.map(({ action, actor, reason }) => ({ action, actor, reason }));
    };
    expect(await traceOf(id)).toEqual(await traceOf(clientId));
    expect(await traceOf(id)).toHaveLength(5);
    // What was pasted for an id is not kept.
    await send("DELETE", "/dk_secret");
    expect((await auth.listAuditEvents({ pageSize: 1 }, admin)).events).toMatchObject([{ target: "" }]);
  });

  test("is for administrators", async () => {
    const { api_key: key } = await call("POST", "", { name: "a", scopes: ["relay"] });
    expect((await fetch(`${url}/admin/clients`)).status).toBe(401);
    expect((await fetch(`${url}/admin/clients`, { headers: { "x-api-key": key } })).status).toBe(403);
  });
});
