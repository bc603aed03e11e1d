import { expect, test } from "vitest";
import { readServerConfig } from "../../src/config/config.ts";
import { oldApis } from "../../src/model/settings.ts";
import { serve } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const { url } = await shareServer({}, { worker: false });

const paths = {
  pocketbase: "/api/health",
  supabase: "/auth/v1/health",
  relay: "/admin/clients",
  sessions: "/session/validate",
  template: "/upload/healthz",
} as const;

test.each(["pocketbase", "sessions, relay", "supabase", "template", "none"])(
  "%s is served, and no other old system's routes",
  async (names) => {
    const { url } = await serve({ DARKROOM_OLD_APIS: names }, { worker: false });
    for (const [name, path] of Object.entries(paths)) {
      const { status } = await fetch(url + path);
      expect([name, status !== 404]).toEqual([name, names.includes(name)]);
    }
    expect((await fetch(`${url}/health`)).status).toBe(200);
  },
);

test.each([
  ["GET", "/health", 200],
  ["GET", "/api/health", 200],
  ["GET", "/upload/healthz", 200],
  ["POST", "/upload", 403],
  ["PUT", "/upload", 405],
  ["POST", "/auth/token", 400],
  ["GET", "/admin/clients", 401],
  ["GET", "/admin/clients/someone", 401],
])("a path may end with slashes: %s %s", async (method, path, status) => {
  for (const end of ["", "/", "//", "/?a=/"])
    expect([end, (await fetch(url + path + end, { method, redirect: "manual" })).status]).toEqual([end, status]);
});

test("all are served where none are named", () => {
  expect([...readServerConfig({}).oldApis]).toEqual(oldApis);
});

test.each(["supabase,nothing", "all", "none,relay", ","])("what is no old system is refused: %s", (names) => {
  expect(() => readServerConfig({ DARKROOM_OLD_APIS: names })).toThrow(/^DARKROOM_OLD_APIS: must be none, or some of/);
});

test("an upstream without the relay's routes is refused", () => {
  const env = { DARKROOM_OLD_APIS: "sessions", RELAY_UPSTREAM_URL: "http://127.0.0.1:9" };
  expect(() => readServerConfig(env)).toThrow(/^DARKROOM_OLD_APIS: must have relay/);
});
