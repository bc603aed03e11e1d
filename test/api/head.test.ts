import { connect } from "node:http2";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { smallPicture } from "../support/pictures.ts";
import { signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { token, credential } = await signIn(server);
const headers = { authorization: `Bearer ${token}` };
const told = ["content-type", "content-length", "cache-control", "content-disposition", "content-security-policy"];

const ask = async (method: string, path: string) => {
  const response = await fetch(server.url + path, { method, headers });
  const heads = told.map((name) => response.headers.get(name));
  return { status: response.status, heads, bytes: (await response.bytes()).length };
};

test.each([
  "/health",
  "/health/ready",
  "/health/live",
  "/api/health",
  "/auth/v1/health",
  "/upload/healthz",
  "/.well-known/jwks.json",
  "/auth/v1/.well-known/jwks.json",
  "/openapi.json",
])("HEAD %s is answered as GET is, without its body", async (path) => {
  const got = await ask("GET", path);
  expect(got.status).toBe(200);
  expect(await ask("HEAD", path)).toEqual({ ...got, bytes: 0 });
});

test("HEAD of a picture tells its size and type, to whom it may be shown", async () => {
  const data = await smallPicture();
  const { image } = await server.jobs.uploadImage({ data }, credential);
  const path = `/download/${image?.id}`;
  const got = await ask("GET", path);
  expect([got.status, got.bytes]).toEqual([200, data.length]);
  expect(await ask("HEAD", path)).toEqual({ ...got, bytes: 0 });
  expect((await fetch(server.url + path, { method: "HEAD" })).status).toBe(401);
  const stranger = { authorization: `Bearer ${(await signIn(server)).token}` };
  expect((await fetch(server.url + path, { method: "HEAD", headers: stranger })).status).toBe(404);
});

test("HEAD is answered by HTTP/2 too", async () => {
  const session = connect(server.url);
  const stream = session.request({ ":method": "HEAD", ":path": "/health/live" });
  const status = new Promise((resolve) => stream.once("response", (heads) => resolve(heads[":status"])));
  expect([await status, (await buffer(stream)).length]).toEqual([200, 0]);
  session.close();
});

test.each([
  ["/session/validate", 405],
  ["/admin/clients", 405],
  // As PocketBase tells of a method that a path has not.
  ["/api/check_auth", 404],
  ["/api/send_message", 404],
  ["/api/get_image", 404],
])("HEAD %s is no way to call it: %i", async (path, status) => {
  expect((await ask("HEAD", path)).status).toBe(status);
});
